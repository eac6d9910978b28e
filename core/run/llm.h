/*
 * Texts as workflows, by a language model: whatever is dropped as NAME.md without a script, or as NAME.txt,
 * goes to the endpoint that config/llm/url names (OpenAI's chat completions, as Ollama, OpenRouter and others
 * offer them too), one text after the other, on a thread. What comes back is checked, registered as NAME.yml,
 * and run only if config/llm/auto_run says so. errors/NAME says what is going on, and what went wrong: then
 * nothing else has changed. A daemon that ends meanwhile leaves that word, by which somebody drops it again.
 */
#ifndef RUNFS_RUN_LLM_H
#define RUNFS_RUN_LLM_H

#include "runfs/err.h"

struct engine;
struct llm;

int llm_new(struct engine *e, struct llm **ret, struct err *err);
void llm_free(struct llm *l); /* what is asked is given up. Takes NULL */
bool llm_is_set(struct engine *e);
/* Puts it into the queue. -EBUSY: too many are in it. Any thread. */
int llm_ask(struct llm *l, const char *page, const char *text, size_t len, struct err *err);

#endif
