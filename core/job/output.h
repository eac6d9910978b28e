/*
 * What the files of a step's output have of each other; job_internal.h has what others call. All on the
 * thread of the step's job. Once `failed` is set nothing more is shown, and output_chunk() ends the step with
 * it.
 */
#ifndef RUNFS_JOB_OUTPUT_H
#define RUNFS_JOB_OUTPUT_H

#include "job_internal.h"

enum { OUTPUT_EACH = 1024 }; /* what an annotation or an output costs besides its text */

/* --------------------------------------------------------------- to the sink (output_show.c)
 * stream: of enum log_stream */

/* As it is: it was masked before. */
void output_put(struct step_output *o, int stream, const char *bytes, size_t len);
/* Masked. */
void output_emit(struct step_output *o, int stream, const char *bytes, size_t len);
/* Ends the step if there is no time left to look for secrets in what it prints. */
void output_end_if_exhausted(struct step_output *o);
/* As many as a reader could read; masked before. */
void output_annotation(struct step_output *o, const struct job_annotation *a);
/* Masks the message. c: the command that makes it, with title and place; NULL: none. */
void output_annotate(struct step_output *o, const char *level, const struct command *c, const char *message);
/* Appends a file's name as it is shown: in the workspace from there on, and masked. */
void output_shown_file(struct step_output *o, const char *file, struct buf *ret);

/* ------------------------------------------------------------------- commands (output_command.c) */

/* One line, without its newline. True: it was a command and has been dealt with. */
bool output_command(struct step_output *o, int stream, const char *line, size_t len);

#endif
