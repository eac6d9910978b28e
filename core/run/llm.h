/*
 * Texts as workflows, by a language model: whatever is dropped as NAME.md without a script, or as NAME.txt,
 * goes to the endpoint that config/llm/url names (OpenAI's chat completions, as Ollama, OpenRouter and others
 * offer them too), one text after the other, on a thread. What comes back is checked, registered as NAME.yml,
 * and run only if config/llm/auto_run says so. errors/NAME says what is going on, and what went wrong: then
 * nothing else has changed. If config/llm/repair says so, a run of it that failed is asked about as well,
 * once. What waits is in the store (runfs/questions.h): a daemon that ends meanwhile asks again when it is
 * back.
 */
#ifndef RUNFS_RUN_LLM_H
#define RUNFS_RUN_LLM_H

#include <jansson.h>

#include "runfs/questions.h"

enum { LLM_TEXT_MAX = 64 * 1024, LLM_QUEUE_MAX = 16 };

struct engine;
struct llm;

int llm_new(struct engine *e, struct llm **ret, struct err *err);
/* Asks what waits, from now on. */
int llm_start(struct llm *l, struct err *err);
void llm_free(struct llm *l); /* what is asked is given up, and stays in the store. Takes NULL */
bool llm_is_set(struct engine *e);
/* Puts it into the queue, in the place of what waits for its page. -EBUSY: too many are in it. Any thread. */
int llm_ask(struct engine *e, const char *page, const char *text, size_t len, struct err *err);
/* The same for a run that failed (text NULL), with words of what it is about. -EEXIST: not again. */
int llm_put_question(struct engine *e, const char *page, const char *text, int64_t run_id, struct err *err);

/* llm_call.c: one question, and the JSON that comes back. */
struct llm_call {
    const struct buf *text;       /* borrowed */
    bool (*unwanted)(void *data); /* nobody waits for the answer any more: -ECANCELED */
    void *data;
};
int llm_call(struct engine *e, const struct llm_call *c, struct buf *ret_model, json_t **ret,
             struct err *err);
/* llm_answer.c: the object in the body of an answer; words where it is none. */
int llm_answer(const struct buf *body, json_t **ret, struct err *err);
/* What the body of an error says, or the first line of plain. */
void llm_words(const json_t *body, const char *plain, struct buf *ret);
/* A setting of config/, or the fallback where it has none. */
void llm_setting(struct engine *e, const char *key, const char *fallback, struct buf *ret);

/* repair.c: what is said of a run, with secrets masked. -ESTALE: its workflow has changed since. */
int repair_text(struct engine *e, const struct question_row *q, struct buf *ret, struct err *err);
/* Whether the run's workflow is still what it ran; -ESTALE with words. */
bool repair_fits(struct engine *e, int64_t run_id);
int repair_stale(int64_t run_id, struct err *err);

#endif
