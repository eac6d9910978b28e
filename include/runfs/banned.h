/*
 * Functions that are wrong more often than right; included by the build into every file, so that using one is
 * an error.
 */
#ifndef RUNFS_BANNED_H
#define RUNFS_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets system popen mktemp tmpnam     \
    atoi atol atof gmtime localtime ctime asctime strerror

#endif
