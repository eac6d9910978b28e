/* Who printed a piece of a job's log. */
#ifndef RUNFS_LOG_STREAM_H
#define RUNFS_LOG_STREAM_H

enum log_stream {
    LOG_STDOUT = 1,
    LOG_STDERR = 2,
    LOG_RUNNER = 4, /* the runner's own lines: "##[error]Process completed with exit code 1." */
    LOG_HEADER =
        8, /* "==> job / step <==" where the run's log changes over, as tail(1) does with several files */
};

#endif
