/* Addresses that runfs asks for no workflow, and those beside them that it does. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runfs/io.h"
#include "runfs/peer.h"

static bool is_own(const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return peer_is_own((const struct sockaddr *)(const void *)&four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return peer_is_own((const struct sockaddr *)(const void *)&six);
}

static void this_host_and_what_answers_to_it_alone(void **state)
{
    static const char *const own[] = {"127.0.0.1",
                                      "127.255.255.255",
                                      "0.0.0.0",
                                      "0.1.2.3",
                                      "169.254.169.254",
                                      "169.254.0.1",
                                      "100.100.100.200",
                                      "168.63.129.16",
                                      "192.0.0.192",
                                      "224.0.0.1",
                                      "255.255.255.255",
                                      "240.0.0.1",
                                      "::1",
                                      "::",
                                      "fe80::1",
                                      "fd00:ec2::254",
                                      "ff02::1",
                                      "::ffff:127.0.0.1",
                                      "::127.0.0.1",
                                      "64:ff9b::7f00:1",
                                      "::ffff:169.254.1.2",
                                      "febf::1",
                                      "64:ff9b::a9fe:a9fe"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!is_own(own[i]))
            fail_msg("%s would be asked", own[i]);
}

static void others_are_asked(void **state)
{
    static const char *const others[] = {
        "1.1.1.1",       "10.0.0.1",    "126.255.255.255", "128.0.0.1",       "169.253.0.1",
        "169.255.0.1",   "192.168.1.1", "223.255.255.255", "100.100.100.201", "2001:db8::1",
        "fd00:ec2::253", "fec0::1",     "64:ff9b::a00:1",  "::ffff:10.0.0.1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (is_own(others[i]))
            fail_msg("%s would not be asked", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(this_host_and_what_answers_to_it_alone),
                                       cmocka_unit_test(others_are_asked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
