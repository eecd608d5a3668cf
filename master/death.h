/* What has become of a process. */
#ifndef MASTER_DEATH_H
#define MASTER_DEATH_H

#define DEATH_TEXT_SIZE 64

/* "signal 9 (Killed)", "exit status 1"; of a status of waitpid(2). */
void death_describe(char text[DEATH_TEXT_SIZE], int status);

#endif
