/* config/hosts/NAME: what it may say, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/machine/ssh.h"
#include "runfs/str.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

static void read_host(void **state)
{
    (void)state;
    _ssh_host_ struct ssh_host h = {0};
    struct err err = {0};

    assert_int_equal(ssh_host_parse("# the first\n\nrunner@build1.example:2222\r\nhostkey " KEY
                                    "\nhostkey " KEY " root@build1\nidentity ci\n"
                                    "hostkey [10.0.0.1]:2222 " KEY "\nhostkey |1|c2FsdA==|aGFzaA== " KEY "\n"
                                    "directory /srv/runfs-1\njump bastion",
                                    &h, &err),
                     0);
    assert_string_equal(h.user, "runner");
    assert_string_equal(h.name, "build1.example");
    assert_int_equal(h.port, 2222);
    assert_string_equal(h.identity, "ci");
    assert_string_equal(h.keys[0], KEY);
    assert_string_equal(h.keys[1], KEY " root@build1");
    assert_string_equal(h.keys[2], KEY); /* as ssh-keyscan(1) writes it, and known_hosts */
    assert_string_equal(h.keys[3], KEY);
    assert_null(h.keys[4]);
    assert_string_equal(h.directory, "/srv/runfs-1");
    assert_string_equal(h.jump, "bastion");
}

static void addresses(void **state)
{
    static const struct {
        const char *text, *user, *name;
        int port;
    } good[] = {{"a@b", "a", "b", 22},
                {"a.b-c_d@10.0.0.1:1", "a.b-c_d", "10.0.0.1", 1},
                {"svc$@h:65535", "svc$", "h", 65535},
                {"root@[fe80::1%eth0]:22", "root", "fe80::1%eth0", 22},
                {"root@[::1]", "root", "::1", 22}};
    static const char *const bad[] = {
        "",      "b",         "@b",    "a@",     "a@b:",      "a@b:0", "a@b:65536",
        "a@b:x", "a@b:22:22", "a@::1", "a@[::1", "a@[::1]22", "-a@b",  "a@-oProxy",
        "a b@c", "a@b c",     "a@b\n", "a;b@c",  "a@b/..",    "a@[]"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _ssh_host_ struct ssh_host h = {0};
        assert_int_equal(ssh_address_parse(good[i].text, &h, NULL), 0);
        assert_string_equal(h.user, good[i].user);
        assert_string_equal(h.name, good[i].name);
        assert_int_equal(h.port, good[i].port);
        assert_string_equal(h.identity, "default");
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _ssh_host_ struct ssh_host h = {0};
        if (ssh_address_parse(bad[i], &h, NULL) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void refuse(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {{"", "it begins with USER@HOST"},
               {"# nothing\n", "it begins with USER@HOST"},
               {"a@b\nport 22\n", "line 2: 'port 22'"},
               {"a@b\nidentity ../x\n", "line 2"},
               {"a@b\nhostkey one two " KEY "\n", "line 2"},
               {"a@b\njump a@c:22\n", "line 2: 'a@c:22' is no name"},
               {"a@b\ndirectory srv\n", "line 2"},
               {"a@b\ndirectory /srv/it's\n", "line 2"},
               {"a@b\ndirectory /a /b\n", "line 2"},
               {"a@b\nhostkey ssh-ed25519\n", "line 2"},
               {"a@b\nhostkey ssh-ed25519 AAAA\n", "line 2"},
               /* of one kind, under the name of another */
               {"a@b\nhostkey ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n",
                "line 2"},
               {"a@b\n\nhostkey " KEY "!\n", "line 3"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _ssh_host_ struct ssh_host h = {0};
        struct err err = {0};
        assert_int_equal(ssh_host_parse(bad[i].text, &h, &err), -EINVAL);
        if (!strstr(err.msg, bad[i].words))
            fail_msg("'%s' said: %s", bad[i].text, err.msg);
    }
}

static void fingerprint(void **state)
{
    _buf_ struct buf b = BUF_INIT;

    (void)state;
    assert_int_equal(ssh_fingerprint(KEY, &b), 0); /* as ssh-keygen(1) prints it */
    assert_string_equal(b.ptr, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    assert_int_equal(ssh_fingerprint("ssh-ed25519", &b), -EINVAL);
}

/* Of keys that ssh-keygen(1) made, the beginnings: "openssh-key-v1", a cipher, ... */
#define OPENSSH(base64) "-----BEGIN OPENSSH PRIVATE KEY-----\n" base64 "\n-----END OPENSSH PRIVATE KEY-----\n"
#define ED25519 "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQAAACA"
#define LOCKED "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAGgrdH8w"

static void identities(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {{"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "passphrase"},
               {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n", "passphrase"},
               {OPENSSH(LOCKED), "passphrase"},
               {OPENSSH("AAAA"), "not all of one"},
               {OPENSSH("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"), "not all of one"},
               {OPENSSH("b3BlbnNzaC1rZXktdjEA/////25vbmU"), "not all of one"}, /* of 4 GiB */
               {OPENSSH("!!!!"), "not all of one"},
               {"-----BEGIN OPENSSH PRIVATE KEY-----", "not all of one"},
               {KEY, "no private key"}};

    (void)state;
    assert_int_equal(ssh_identity_check(OPENSSH(ED25519), NULL), 0);
    assert_int_equal(ssh_identity_check("-----BEGIN EC PRIVATE KEY-----\nAAAA\n", NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        assert_int_equal(ssh_identity_check(bad[i].text, &err), -EINVAL);
        if (!strstr(err.msg, bad[i].words))
            fail_msg("'%s' said: %s", bad[i].text, err.msg);
    }
}

/* What a host says is read in terminals, of which some obey a single character above ASCII. */
static void words_of_a_host(void **state)
{
    (void)state;
    char words[] = "no\033[2J \xc2\x9b"
                   "2Jm\xe2\x80\xaei\nn\xc3\xa9\t\xff and more";

    ssh_clean_words(words);
    assert_string_equal(words, "no?[2J ??2Jm???i?n\xc3\xa9?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_host),  cmocka_unit_test(addresses),
                                       cmocka_unit_test(refuse),     cmocka_unit_test(fingerprint),
                                       cmocka_unit_test(identities), cmocka_unit_test(words_of_a_host)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
