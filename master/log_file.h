/* The files that log lines are appended to. */
#ifndef MASTER_LOG_FILE_H
#define MASTER_LOG_FILE_H

/* Of a file that is made, whatever the umask is. */
#define LOG_FILE_MODE 0640

struct service;

/*
 * Opens a target of a log, a path or "stdout" or "stderr", to be appended to.
 * The descriptor, owned by the caller and close-on-exec, or -errno. Blocks as
 * long as its disk does, and so do writes.
 */
int log_file_open(const char *target);

/* Could it be opened, by that service if it is not NULL? Makes no file. 0 or
 * -errno. */
int log_file_check(const char *target, const struct service *);

#endif
