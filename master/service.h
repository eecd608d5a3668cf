/* The service as systemd knows it. */
#ifndef MASTER_SERVICE_H
#define MASTER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_UNIT	  "sniport.service"
#define SERVICE_SOCKET	  "sniport.socket"
#define SERVICE_USER_SIZE 64

struct addr;
struct findings;

/* What a check must know of the service to judge as it would. */
struct service {
	char user[SERVICE_USER_SIZE]; /* "": all stays as it is */
	char folders[4096]; /* paths that systemd makes, each before a blank */
	char listens[4096]; /* where its socket unit does, in the same way */
	uint64_t files;	    /* limit on open files; 0: not known */
};

/*
 * Where this process is root's, and the unit has another user: becomes that
 * user for good, with the groups and the ambient capabilities that the unit
 * gives. Sets all of service. A user that does not exist is a warning. 0, or
 * -EINVAL with the cause in findings.
 */
int service_become(struct service *, struct findings *);

/* Is it systemd who listens there, for the service? For every address of the
 * host, IPv4 and IPv6, the address is that of all of IPv6. */
bool service_listens(const struct service *, const struct addr *);

/* Does systemd make that folder before it starts the service? */
bool service_makes(const struct service *, const char *folder);

#endif
