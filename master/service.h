/* The service as systemd knows it. */
#ifndef MASTER_SERVICE_H
#define MASTER_SERVICE_H

#define SERVICE_UNIT	  "sniport.service"
#define SERVICE_USER_SIZE 64

struct findings;

/*
 * Where this process is root's, and the unit has another user: becomes that
 * user for good, with the groups and the ambient capabilities that the unit
 * gives. user is set to the name, or to "" where all stays as it is. A user
 * that does not exist is a warning. 0, or -EINVAL with the cause in findings.
 */
int service_become(char user[SERVICE_USER_SIZE], struct findings *);

#endif
