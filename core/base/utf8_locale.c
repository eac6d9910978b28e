/* A thread's locale for a while: names are UTF-8 whatever the process was started with. */
#include "runfs/utf8_locale.h"

int utf8_begin(struct utf8_locale *l)
{
    l->own = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    l->former = l->own ? uselocale(l->own) : (locale_t)0;
    return l->own ? 0 : -ENOMEM;
}

void utf8_end(struct utf8_locale *l)
{
    if (!l->own)
        return;
    uselocale(l->former);
    freelocale(l->own);
    l->own = (locale_t)0;
}
