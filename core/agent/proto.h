/*
 * The agent's protocol: what the daemon and the agent in a machine say to each other over one byte stream,
 * and what the daemon says to its spawner. Both sides compile this pair of files; nothing else knows the
 * encoding.
 *
 * A frame is a header of 8 bytes (u32 length of the payload, u8 type, three zero bytes; little endian) and
 * its payload. Numbers are fixed-width little endian; a string is u32 length, its bytes, and a NUL that the
 * length does not count, so that a decoded string is used in place. Either peer may be hostile: a decoder
 * never reads outside its payload, and after one bad field everything it yields is zero and wire_ok() is
 * false.
 */
#ifndef RUNFS_AGENT_PROTO_H
#define RUNFS_AGENT_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runfs/buf.h"

enum {
    FRAME_HEADER = 8,
    FRAME_TO_DAEMON_MAX = 64 * 1024 - FRAME_HEADER, /* a whole frame is a round number of pages */
    FRAME_TO_AGENT_MAX = 16 * 1024 * 1024,          /* EXEC: argv and env; the kernel's own limit is 6 MiB */
    FRAME_DATA_MAX = 256 * 1024,                    /* what the daemon puts into one data frame */
    AGENT_VERSION = 5,
    LANES_MAX = 64,
    WAKE_SEED = 8,
    WAKE_FINAL = 1,      /* nobody changes the number of processes from then on */
    WAKE_FILES_HOLD = 2, /* nobody raises that of files, root neither */
    WAKE_REHEARSE = 4,   /* whose machine it is is not known yet: there is time to rehearse */
};

enum frame_type {
    /* daemon to agent */
    FRAME_PUT = 1,   /* str path, u32 mode: opens a file for the FRAME_PUT_DATA that follow */
    FRAME_PUT_DATA,  /* bytes */
    FRAME_EXEC,      /* struct exec_request; closes the last put file */
    FRAME_INTERRUPT, /* SIGINT, later SIGTERM, later SIGKILL to the running command */
    FRAME_KILL,      /* SIGKILL to everything but the agent */
    FRAME_PUT_TREE,  /* str dir: the FRAME_TREE_DATA that follow are a tar stream for it */
    FRAME_TREE_DATA, /* bytes */
    FRAME_TREE_END,  /* to the agent: empty, no more bytes. To the daemon: i32 error, str words */
    FRAME_INPUT,     /* bytes for the terminal of the running command; none: its other end was closed */
    FRAME_WINDOW,    /* u32 rows, u32 columns of that terminal */
    FRAME_ALONE,     /* asks whether anything but the agent lives; answered with FRAME_STATE */
    FRAME_MAKE_DIRS, /* str path: made with its parents; answered with FRAME_STATE */
    FRAME_WAKE, /* to a virtual machine's agent, as its memory is of another time: u64 ns since 1970, str host
                   name, then WAKE_SEED u64 that no other machine gets, u32 processes and u32 files that a
                   command may have, 0: as it is, and u32 WAKE_*; answered with FRAME_HELLO */
    FRAME_LANE_OPEN, /* u32 number, below LANES_MAX and free: another agent, for commands at the same time */
    FRAME_LANE, /* u32 number, bytes of what that agent's socket carries, either direction; none: its end. To
                   the daemon that is the last of a lane, to the agent the wish for it */
    /* agent to daemon */
    FRAME_HELLO = 64, /* u32 version: the machine is ready. Its root directory comes with it, if it has one */
    FRAME_FAILED,     /* i32 error, str words: the machine could not be set up */
    FRAME_STDOUT,     /* bytes */
    FRAME_STDERR,     /* bytes */
    FRAME_EXIT,       /* struct exec_report */
    FRAME_GOT_DATA,   /* bytes of the file that is being got */
    FRAME_GOT_END,    /* u32 index, i32 error: that file is complete */
    FRAME_STATE,      /* i32 error, str words: 0, or what is in the way */
};

/* The network that qemu offers a virtual machine, where it is to have one. */
#define GUEST_NET "10.0.3.0/24"
#define GUEST_ADDRESS "10.0.3.15"
#define GUEST_GATEWAY "10.0.3.2"

/*
 * Over an SSH channel (remote.c): standard output begins with a line of these words, the version, a space and
 * the machine's directory. What goes to standard input are parts, u32 length and bytes, and an empty one at
 * least this often: after so long without anything the machine ends.
 */
#define REMOTE_HELLO "runfs-agent "
enum { REMOTE_PART_MAX = 64 * 1024, REMOTE_SILENCE_MS = 30000 };

struct frame {
    enum frame_type type;
    const uint8_t *payload; /* inside the buffer it was found in */
    size_t len;
};

/*
 * Finds a whole frame at the start of data. Returns the bytes it takes, 0 while there are too few (then
 * *ret_need is how many there must be), or -EPROTO when its length is above max or its header malformed.
 */
ssize_t frame_find(const void *data, size_t len, size_t max, struct frame *ret, size_t *ret_need);

/* Appends a frame: begin, fields, end. frame_end writes the length behind begin's header. */
size_t frame_begin(struct buf *b, enum frame_type type);
void frame_end(struct buf *b, size_t begin);
void frame_add(struct buf *b, enum frame_type type, const void *payload, size_t len);
void frame_header(uint8_t to[FRAME_HEADER], enum frame_type type, size_t len);

void wire_put_u32(uint8_t to[4], uint32_t v);
void wire_add_u32(struct buf *b, uint32_t v);
void wire_add_u64(struct buf *b, uint64_t v);
void wire_add_str(struct buf *b, const char *s);

struct wire {
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct wire wire_of(const void *payload, size_t len);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
const char *wire_str(struct wire *w); /* never NULL: "" when bad; refuses NULs inside */
/* Whether every field was good and nothing is left over. */
bool wire_ok(const struct wire *w);

/* A request to run a command, as the agent decodes it: everything points into the payload. */
struct exec_request {
    uint64_t deadline_ms; /* from now; 0: none */
    const char *cwd;
    const char **argv, **env; /* owned arrays of borrowed strings, NULL-terminated */
    const char **get;         /* owned array of borrowed strings */
    uint64_t *get_max;        /* owned */
    uint32_t n_get;
    uint32_t rows, columns; /* of a terminal of its own; 0: pipes */
};
void exec_request_encode(struct buf *b, const struct exec_request *x);
/* Returns 0, -EPROTO or -ENOMEM. */
int exec_request_decode(const void *payload, size_t len, struct exec_request *ret);
void exec_request_release(struct exec_request *x); /* only what decode allocated */

enum limit_kind { LIMIT_NONE, LIMIT_MEMORY, LIMIT_PIDS, LIMIT_DISK, LIMIT_OUTPUT, LIMIT_KINDS };
struct exec_report {
    uint32_t exit_code, signal;
    bool timed_out, cancelled;
    enum limit_kind limit; /* one that the agent noticed: it was killed for it, but the disk was only full */
    uint64_t duration_ns;
    const char *start_error; /* "" when it started */
};
void exec_report_encode(struct buf *b, const struct exec_report *x);
int exec_report_decode(const void *payload, size_t len, struct exec_report *ret);

/*
 * To the spawner, one datagram each. A machine comes with the agent's end of the control socket and with
 * cgroup.procs files that its process is to be in before it starts. A spawner of sandboxes makes sandboxes; a
 * plain one executes argv with the control socket as descriptor 3; without argv, an agent.
 */
enum spawn_what {
    SPAWN_MACHINE, /* answered with a pidfd, with namespaces too when `filtered` */
    SPAWN_MASK,    /* an empty file system for the layer `mask`; answered with its root */
    SPAWN_DISK,    /* a file system of `disk` bytes, not mounted yet; answered with its root */
    SPAWN_NETWORK, /* a network that machines can join; answered with its namespace */
    SPAWN_FORWARD, /* a process that leads `forwards` into such a network: its namespace comes after the
                      control socket, then the one in which they listen, if that is not the host's. Answered
                      with a pidfd; the words are the ports */
    SPAWN_REACH, /* the same out of a network: the one that comes is where they listen, and they lead to this
                    host */
};
enum { SPAWN_FDS = 8 }; /* with one datagram, at most */
struct spawn_request {
    enum spawn_what what;
    const char *scratch;   /* name below the spawner's scratch directory */
    const char *mask;      /* a layer over the lower one; "" for none */
    const char *forget;    /* SPAWN_MASK: a mask that no machine will start over any more; "" for none */
    const char *image;     /* host path; "" for the host's own root */
    const char **below;    /* decode: owned array; with some, `image` is where these directories are, the
                              highest first, that together are the image */
    const char **layers;   /* decode: owned array; names below scratch/layers, newest first, between the
                              mask and what is written */
    const char *files;     /* path inside, of a directory that is in memory; "" for none */
    const char *user;      /* of the machine, by /etc/passwd in it: "NAME|UID[:GROUP|GID]"; "" for root */
    const char **own;      /* decode: owned array; paths inside that are to be that user's */
    bool mounts;           /* answered with its mount namespace, too, behind the others */
    const char **shared;   /* decode: owned array; pairs of a directory of another machine, whose mount
                              namespace  comes right after the control socket, and where it is here */
    uint32_t address;      /* of the network, whose namespace comes next, that it joins; 0: none does */
    bool network;          /* answered with its network's namespace, also if it is not `filtered` */
    const char **forwards; /* decode: owned array; "PORT ADDRESS PORT", of localhost and in the network; 0 as
                              the first: any */
    const char *hostname;  /* [a-z0-9-]+ */
    bool no_network;       /* a network of its own, of a loopback interface only */
    bool filtered;         /* and its network's filter is not its root's to change */
    bool namespaces;       /* its commands may make namespaces and mounts */
    bool redirects; /* directories of frozen layers and of the host can be renamed: see sandbox_root() */
    uint64_t disk;  /* its size; for a machine: one comes after the control socket */
    uint64_t data;  /* RLIMIT_DATA; 0: as it is, here and below */
    uint64_t shm;   /* bytes of /dev/shm */
    uint32_t open_files, processes; /* RLIMIT_NOFILE, RLIMIT_NPROC */
    uint32_t uid;                   /* for argv: become this user and group first; 0: stay */
    const char **argv;              /* decode: owned array of borrowed strings */
};
enum { SPAWN_MAX = 64 * 1024 };
/* Addresses of a job's network, which leads nowhere: of the block that is set apart for trying out networks
 * (RFC 2544, 198.18.0.0/15), so that none is missed by who has this one. */
#define JOB_NETWORK 0xC6120000U
enum { JOB_NETWORK_OWN = 1, JOB_NETWORK_FIRST = 2, JOB_NETWORK_LAST = 254 };
void spawn_request_encode(struct buf *b, const struct spawn_request *x);
int spawn_request_decode(const void *payload, size_t len, struct spawn_request *ret);
void spawn_request_release(struct spawn_request *x);

/* Top-level directories of the host that machines see; ends with NULL. */
extern const char *const sandbox_tops[];
/* Whether one of them is a mount of its own: then one overlay over `/` would miss it, and each gets its own.
 */
bool sandbox_tops_split(void);

/* The spawner's answer, with descriptors attached when error is 0: a pidfd (and the namespaces of network and
 * users), or a root. Also sent once when the spawner is ready. */
struct spawn_reply {
    int32_t error; /* 0 or -errno */
    uint32_t pid;
    const char *words;
};
void spawn_reply_encode(struct buf *b, const struct spawn_reply *x);
int spawn_reply_decode(const void *payload, size_t len, struct spawn_reply *ret);

/* fds.c: descriptors that go or come with a datagram. Sending borrows, receiving appends what is then owned.
 * 0 or the datagram's length, or -errno. */
struct fds {
    int list[SPAWN_FDS];
    size_t n;
};
void fds_release(struct fds *f);
void fds_add(struct fds *f, int fd_take); /* -1 is fine; closed when there is no room */
int fds_send(int socket_fd, const struct buf *b, const struct fds *fds);
ssize_t fds_receive(int socket_fd, void *to, size_t size, struct fds *ret);

#endif
