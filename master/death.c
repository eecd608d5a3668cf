/* Says how a process has ended. */
#include "master/death.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void
death_describe(char text[DEATH_TEXT_SIZE], int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, DEATH_TEXT_SIZE, "signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, DEATH_TEXT_SIZE, "exit status %d",
		    WEXITSTATUS(status));
}
