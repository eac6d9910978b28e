/* Work trees for actions/checkout, made on the host. */
#ifndef RUNFS_CHECKOUT_H
#define RUNFS_CHECKOUT_H

#include "runfs/outside.h"

/* Where a run's own repository is. All borrowed. */
struct checkout_source {
    const char *path;       /* its checkout, bare repository or plain folder on the host; NULL: it has none */
    const char *url;        /* instead of path: of another repository */
    const char *repository; /* "owner/name" */
    const char *ref, *sha;  /* the run's; sha may be all zeros */
    const char *server_url; /* for the remote `origin` */
    const char *scratch;    /* directory of the host for the tree while it is made */
    bool uncommitted;       /* take along what the work tree at path has not committed */
};

int checkout_make(const struct checkout_source *from, const struct checkout *what, struct checked_out *ret,
                  struct err *err);

#endif
