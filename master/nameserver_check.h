/* Whether name servers can be asked at all. */
#ifndef MASTER_NAMESERVER_CHECK_H
#define MASTER_NAMESERVER_CHECK_H

struct conf;
struct findings;

/* Warns of those of dns.servers that no question can be put to: by an interface
 * that this host does not have now, or of no single host. */
void nameserver_check(const struct conf *, struct findings *);

#endif
