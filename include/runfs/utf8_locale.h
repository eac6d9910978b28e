/* libarchive converts names by the locale of the thread: within this pair they are UTF-8. */
#ifndef RUNFS_UTF8_LOCALE_H
#define RUNFS_UTF8_LOCALE_H

#include <locale.h>

#include "runfs/cleanup.h"

struct utf8_locale {
    locale_t own, former;
};
int utf8_begin(struct utf8_locale *l); /* -ENOMEM */
void utf8_end(struct utf8_locale *l);
#define _utf8_ _cleanup_(utf8_end)

#endif
