/*
 * Preloaded into sniport: what a worker does that was broken into. A client
 * that asks for the server name "WORD.violate.test:443" has the worker do what
 * the table at the end has under that word; standard error tells how it went,
 * if anything comes back from it.
 *
 * While the file that the environment names exists, a call fails: NO_LANDLOCK,
 * landlock_create_ruleset(2) as if it were unknown; NO_SECCOMP, seccomp_load();
 * NO_FORK, fork(2).
 * With NO_FILTER seccomp_load() does nothing and says that it did.
 * DEV_LOG names the socket that stands for /dev/log.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control.h"
#include "t/preload/preload.h"

int connect(int, const struct sockaddr *, socklen_t);
ssize_t recv(int, void *, size_t, int);
long syscall(long, ...);
int seccomp_load(const void *);

/* Each returns -1 with errno, or what is not negative. */

static int
try_execve(void)
{
	static char name[] = "/bin/true";
	char *argv[] = { name, NULL };

	return (execve(name, argv, NULL));
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return (pid);
}

static int
try_thread(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	return (clone((int (*)(void *))(void *)_exit, stack + sizeof(stack),
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
	    NULL));
}

static int
try_ptrace(void)
{
	return ((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
try_write(void)
{
	return (open("/dev/null", O_WRONLY));
}

static int
try_read_write(void)
{
	return (open("/dev/null", O_RDWR));
}

static int
try_create(void)
{
	return (open("/dev/null", O_RDONLY | O_CREAT, 0600));
}

static int
try_truncate(void)
{
	return (open("/dev/null", O_RDONLY | O_TRUNC));
}

static int
try_unlink(void)
{
	return (unlink("/nowhere/file"));
}

static int
try_rename(void)
{
	return (rename("/nowhere/a", "/nowhere/b"));
}

static int
try_chmod(void)
{
	return (chmod("/nowhere/file", 0777));
}

static int
try_netlink(void)
{
	return (socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
try_packet(void)
{
	return (socket(AF_PACKET, SOCK_RAW, 0));
}

static int
try_raw(void)
{
	return (socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
try_ping(void)
{
	return (socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static int
try_sctp(void)
{
	return (socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP));
}

static int
try_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return (listen(fd, 1));
}

static int
map(int protection, int more)
{
	size_t size = 4096;
	void *at =
	    mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return (-1);
	return (more == 0 ? 0 : mprotect(at, size, more));
}

static int
try_map_code(void)
{
	return (map(PROT_READ | PROT_WRITE | PROT_EXEC, 0));
}

static int
try_protect_code(void)
{
	return (map(PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC));
}

static int
try_protect_data(void)
{
	return (map(PROT_READ | PROT_WRITE, PROT_READ));
}

static int
try_memfd(void)
{
	return (memfd_create("code", 0));
}

static int
try_setuid(void)
{
	return ((int)syscall(SYS_setuid, 0));
}

static int
try_prctl(void)
{
	return (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
try_unshare(void)
{
	return (unshare(CLONE_NEWUSER));
}

static int
try_mount(void)
{
	return ((int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL));
}

static int
try_bpf(void)
{
	return ((int)syscall(SYS_bpf, 0, NULL, 0));
}

static int
try_io_uring(void)
{
	return ((int)syscall(SYS_io_uring_setup, 0, NULL));
}

static int
try_kill(void)
{
	return (kill(getppid(), 0));
}

static int
try_kill_thread(void)
{
	int master = getppid();

	return ((int)syscall(SYS_tgkill, master, master, 0));
}

static int
try_terminal(void)
{
	return (ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int
try_owner(void)
{
	return (fcntl(STDIN_FILENO, F_SETOWN, getpid()));
}

/* The first descriptor from 3 on that is of a kind, as tell() says; -1:
 * none. */
static int
find(bool (*tell)(int fd))
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < 100; fd++)
		if (tell(fd))
			return (fd);
	errno = ENOENT;
	return (-1);
}

static bool
is_listener(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
		on != 0);
}

static bool
is_control(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		type == SOCK_SEQPACKET);
}

static bool
is_file(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		(fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
}

/* A socket whose close(2) blocks, for the master. */
static int
try_pass(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space = { .bytes = { 0 } };
	char text[40] = "";
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return ((int)sendmsg(find(is_control), &msg, MSG_DONTWAIT));
}

/* To have a connection that the master then gives to another worker. */
static int
try_peek(void)
{
	char text[40];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return ((int)recvmsg(find(is_control), &msg, MSG_DONTWAIT | MSG_PEEK));
}

static int
try_pass_many(void)
{
	struct mmsghdr msg = { .msg_len = 0 };

	return (sendmmsg(find(is_control), &msg, 1, MSG_DONTWAIT));
}

static int
try_overwrite(void)
{
	return (fcntl(find(is_file), F_SETFL, 0));
}

static int
try_block(void)
{
	return (fcntl(find(is_listener), F_SETFL, 0));
}

static int
try_block_ioctl(void)
{
	int off = 0;

	return (ioctl(find(is_listener), FIONBIO, &off));
}

/* What an ordinary lseek(2) brings: nothing. */
static int
try_seek(void)
{
	return ((int)lseek(find(is_file), 0, SEEK_SET));
}

/* Over the first line of a log to which both streams lead. */
static int
try_stomp(void)
{
	static const char text[] = "violated\n";
	int stream, n = 0;

	for (stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		(void)lseek(stream, 0, SEEK_SET);
		n += write(stream, text, strlen(text)) > 0;
	}
	return (n > 0 ? 0 : -1);
}

static bool
is_datagram(int fd)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	return (getsockname(fd, (struct sockaddr *)&sun, &len) == 0 &&
		sun.sun_family == AF_UNIX && !is_control(fd));
}

/* What leads to the syslog daemon leads elsewhere. */
static int
try_redirect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("ELSEWHERE");
	int (*real)(int, const struct sockaddr *, socklen_t) =
	    preload_real("connect");

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return (real(find(is_datagram), (struct sockaddr *)&sun, sizeof(sun)));
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
}

/* To take lines out of the pipe that they are written to. */
static int
try_steal(void)
{
	char path[32], line[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", find(is_pipe));
	fd = open(path, O_RDONLY | O_NONBLOCK);
	return (fd == -1 ? -1 : (int)read(fd, line, sizeof(line)));
}

/* To the master, what it has not asked for: a message of that type. */
static int
tell(uint32_t type, int times)
{
	struct control_msg message = { .version = CONTROL_VERSION,
		.size = sizeof(message),
		.type = type };
	int n = 0, fd = find(is_control);

	while (n >= 0 && times-- > 0)
		n = (int)send(fd, &message, sizeof(message), 0);
	return (n);
}

static int
try_ready(void)
{
	return (tell(CONTROL_READY, 1));
}

static int
try_flood(void)
{
	return (tell(CONTROL_READY, 100000));
}

static int
try_order(void)
{
	return (tell(CONTROL_DRAIN, 1));
}

static int
try_emptied(void)
{
	return (tell(CONTROL_EMPTIED, 1));
}

static int
try_nonsense(void)
{
	return (tell(4711, 1));
}

/* As it was before the sandbox, which lets the admin process ask no socket what
 * it is. */
static int control = -1;

/* To the master, from the admin process: tunnels that it is to close, so many
 * in each message. */
static int
tell_close(uint32_t count)
{
	struct control_msg message = { .version = CONTROL_VERSION,
		.size = sizeof(message),
		.type = CONTROL_CLOSE,
		.slot = 4000,
		.count = count };

	return ((int)send(control, &message, sizeof(message), 0));
}

static int
try_close_none(void)
{
	return (tell_close(0));
}

static int
try_close_many(void)
{
	return (tell_close(CONTROL_NUMBERS_MAX + 1));
}

static int
try_reload_none(void)
{
	struct control_msg message = { .version = CONTROL_VERSION,
		.size = sizeof(message),
		.type = CONTROL_RELOAD };

	return ((int)send(control, &message, sizeof(message), 0));
}

/* As much as goes, for ever. */
static int
try_close_flood(void)
{
	static const char begins[] = "violate close-flood: begins\n";

	/* Not by dprintf(3), which seeks. */
	if (write(STDERR_FILENO, begins, sizeof(begins) - 1) < 0)
		return (-1);
	while (tell_close(1) >= 0 || errno == EAGAIN)
		;
	return (-1);
}

static int
try_huge(void)
{
	static char text[65536];

	return ((int)send(find(is_control), text, sizeof(text), MSG_DONTWAIT));
}

static int
try_empty(void)
{
	return ((int)send(find(is_control), "", 0, 0));
}

static int
try_hang_up(void)
{
	return (close(find(is_control)));
}

static int
try_read_input(void)
{
	char c;

	return ((int)read(STDIN_FILENO, &c, 1));
}

static int
try_lease(void)
{
	return (fcntl(find(is_file), F_SETLEASE, F_WRLCK));
}

static int
try_pipe_size(void)
{
	return (fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096));
}

static int
try_duplicate(void)
{
	return (fcntl(find(is_listener), F_DUPFD_CLOEXEC, 0));
}

static int
try_dup3(void)
{
	return (dup3(find(is_listener), 99, O_CLOEXEC));
}

static int
option(int fd, int level, int name, int value)
{
	return (setsockopt(fd, level, name, &value, sizeof(value)));
}

static int
try_steer(void)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { .len = 1, .filter = code };

	return (setsockopt(find(is_listener), SOL_SOCKET,
	    SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)));
}

static int
try_steer_ebpf(void)
{
	return (
	    option(find(is_listener), SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, 0));
}

static int
try_steer_not(void)
{
	return (
	    option(find(is_listener), SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
}

static int
new_option(int level, int name, int value)
{
	return (option(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), level,
	    name, value));
}

static int
try_reuse_port(void)
{
	return (new_option(SOL_SOCKET, SO_REUSEPORT, 1));
}

static int
try_mark(void)
{
	return (new_option(SOL_SOCKET, SO_MARK, 1));
}

static int
try_device(void)
{
	return (new_option(SOL_SOCKET, SO_BINDTODEVICE, 0));
}

static int
try_receive_buffer(void)
{
	return (new_option(SOL_SOCKET, SO_RCVBUF, 1 << 30));
}

static int
try_congestion(void)
{
	return (new_option(IPPROTO_TCP, TCP_CONGESTION, 0));
}

static int
try_bind(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return (bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
}

/* What is permitted for tunnels, on a listener. */
static int
try_listener_option(void)
{
	return (option(find(is_listener), SOL_SOCKET, SO_KEEPALIVE, 0));
}

static int
try_deafen(void)
{
	return (shutdown(find(is_listener), SHUT_RDWR));
}

static int
try_disconnect(void)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };
	int (*real)(int, const struct sockaddr *, socklen_t) =
	    preload_real("connect");

	return (real(find(is_listener), &sa, sizeof(sa)));
}

/* The one that we had when the filter was loaded. */
static int born = -1;

static bool
is_lent(int fd)
{
	return (fd != born && is_listener(fd));
}

static int
try_deafen_lent(void)
{
	int fd = find(is_lent);

	return (fd < 0 ? -1 : shutdown(fd, SHUT_RDWR));
}

static int
try_deafen_stderr(void)
{
	return (shutdown(STDERR_FILENO, SHUT_RDWR));
}

static int
try_interface_down(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };

	return (ioctl(
	    socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &ifr));
}

#ifdef __x86_64__
static int
try_x32(void)
{
	return ((int)syscall(0x40000000L | SYS_getpid));
}

static int
try_i386(void)
{
	int result = 20; /* getpid */

	__asm__ volatile("int $0x80" : "+a"(result));
	return (result);
}
#endif

static int
try_seccomp(void)
{
	return ((int)syscall(SYS_seccomp, 0, 0, NULL));
}

static int
try_local(void)
{
	return (socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int
try_interface(void)
{
	return (if_nametoindex("lo") == 0 ? -1 : 0);
}

static int
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	int c;

	if (file == NULL)
		return (-1);
	c = fgetc(file);
	fclose(file);
	return (c == EOF ? -1 : 0);
}

static int
try_random(void)
{
	return (read_file("/dev/urandom"));
}

static int
try_password(void)
{
	return (read_file("/etc/passwd"));
}

static int
try_program(void)
{
	return (read_file("/bin/true"));
}

static int
try_process(void)
{
	return (read_file("/proc/self/maps"));
}

static int
compare(const void *a, const void *b)
{
	return (*(const int *)a - *(const int *)b);
}

static int
try_sort(void)
{
	size_t n = 65536;
	int *all = calloc(n, sizeof(*all));

	if (all == NULL)
		return (-1);
	qsort(all, n, sizeof(*all), compare);
	free(all);
	return (0);
}

/* All that there is. */
static int
try_memory(void)
{
	void *list = NULL, **one;

	while ((one = malloc(64 * 1024)) != NULL) {
		*one = list;
		list = one;
	}
	while ((one = list) != NULL) {
		list = *one;
		free(one);
	}
	return (0);
}

static int
try_wait(void)
{
	dprintf(STDERR_FILENO, "violate wait: begins\n");
	return (poll(NULL, 0, 1000));
}

static int
try_abort(void)
{
	abort();
}

static int
try_check(void)
{
	assert(getpid() == 0);
	return (0);
}

/* Calls of which no argument could be harmless. */
static const struct {
	const char *word;
	long number;
} numbers[] = {
	{ "process-read", SYS_process_vm_readv },
	{ "process-write", SYS_process_vm_writev },
	{ "process-open", SYS_pidfd_open },
	{ "process-descriptor", SYS_pidfd_getfd },
	{ "process-signal", SYS_pidfd_send_signal },
	{ "process-limit", SYS_prlimit64 },
	{ "limit", SYS_setrlimit },
	{ "priority", SYS_setpriority },
	{ "cpus", SYS_sched_setaffinity },
	{ "scheduler", SYS_sched_setscheduler },
	{ "queue-signal", SYS_rt_tgsigqueueinfo },
	{ "keys", SYS_keyctl },
	{ "add-key", SYS_add_key },
	{ "positioned-write", SYS_pwrite64 },
	{ "positioned-writev", SYS_pwritev2 },
	{ "truncate-file", SYS_ftruncate },
	{ "allocate-file", SYS_fallocate },
	{ "send-file", SYS_sendfile },
	{ "copy-file", SYS_copy_file_range },
	{ "splice", SYS_splice },
	{ "tee", SYS_tee },
	{ "vmsplice", SYS_vmsplice },
	{ "file-mode", SYS_fchmod },
	{ "file-owner", SYS_fchown },
	{ "file-lock", SYS_flock },
	{ "file-attribute", SYS_fsetxattr },
	{ "file-handle", SYS_open_by_handle_at },
	{ "folder", SYS_getdents64 },
	{ "link", SYS_linkat },
	{ "dup", SYS_dup },
	{ "pipe", SYS_pipe2 },
	{ "pair", SYS_socketpair },
	{ "event", SYS_eventfd2 },
	{ "timer", SYS_timerfd_create },
	{ "user-fault", SYS_userfaultfd },
	{ "performance", SYS_perf_event_open },
	{ "watch", SYS_inotify_init1 },
	{ "shared-memory", SYS_shmget },
	{ "semaphore", SYS_semget },
	{ "message-queue", SYS_mq_open },
	{ "namespace", SYS_setns },
	{ "root", SYS_chroot },
	{ "personality", SYS_personality },
	{ "wait-for", SYS_wait4 },
	{ "clock", SYS_clock_settime },
	{ "lock-memory", SYS_mlockall },
	{ "clone-three", SYS_clone3 },
};

static const struct {
	const char *word;
	int (*call)(void);
} table[] = {
	{ "pass", try_pass },
	{ "pass-many", try_pass_many },
	{ "overwrite", try_overwrite },
	{ "block", try_block },
	{ "block-ioctl", try_block_ioctl },
	{ "seek", try_seek },
	{ "stomp", try_stomp },
	{ "redirect", try_redirect },
	{ "steal", try_steal },
	{ "peek", try_peek },
	{ "ready", try_ready },
	{ "flood", try_flood },
	{ "order", try_order },
	{ "emptied", try_emptied },
	{ "nonsense", try_nonsense },
	{ "close-none", try_close_none },
	{ "close-many", try_close_many },
	{ "close-flood", try_close_flood },
	{ "reload-none", try_reload_none },
	{ "huge", try_huge },
	{ "empty", try_empty },
	{ "hang-up", try_hang_up },
	{ "read-input", try_read_input },
	{ "lease", try_lease },
	{ "pipe-size", try_pipe_size },
	{ "duplicate", try_duplicate },
	{ "duplicate-to", try_dup3 },
	{ "steer", try_steer },
	{ "steer-ebpf", try_steer_ebpf },
	{ "steer-not", try_steer_not },
	{ "reuse-port", try_reuse_port },
	{ "mark", try_mark },
	{ "device", try_device },
	{ "receive-buffer", try_receive_buffer },
	{ "congestion", try_congestion },
	{ "bind", try_bind },
	{ "listener-option", try_listener_option },
	{ "deafen", try_deafen },
	{ "disconnect", try_disconnect },
	{ "deafen-lent", try_deafen_lent },
	{ "deafen-stderr", try_deafen_stderr },
	{ "interface-down", try_interface_down },
#ifdef __x86_64__
	{ "x-thirty-two", try_x32 },
	{ "i-three-eighty-six", try_i386 },
#endif
	{ "execve", try_execve },
	{ "fork", try_fork },
	{ "thread", try_thread },
	{ "ptrace", try_ptrace },
	{ "write", try_write },
	{ "read-write", try_read_write },
	{ "create", try_create },
	{ "truncate", try_truncate },
	{ "unlink", try_unlink },
	{ "rename", try_rename },
	{ "chmod", try_chmod },
	{ "netlink", try_netlink },
	{ "packet", try_packet },
	{ "raw", try_raw },
	{ "ping", try_ping },
	{ "sctp", try_sctp },
	{ "listen", try_listen },
	{ "map-code", try_map_code },
	{ "protect-code", try_protect_code },
	{ "protect-data", try_protect_data },
	{ "memfd", try_memfd },
	{ "setuid", try_setuid },
	{ "prctl", try_prctl },
	{ "unshare", try_unshare },
	{ "mount", try_mount },
	{ "bpf", try_bpf },
	{ "io-uring", try_io_uring },
	{ "kill", try_kill },
	{ "kill-thread", try_kill_thread },
	{ "terminal", try_terminal },
	{ "owner", try_owner },
	{ "seccomp", try_seccomp },
	{ "local", try_local },
	{ "interface", try_interface },
	{ "random", try_random },
	{ "password", try_password },
	{ "program", try_program },
	{ "process", try_process },
	{ "sort", try_sort },
	{ "memory", try_memory },
	{ "wait", try_wait },
	{ "abort", try_abort },
	{ "check", try_check },
};

static bool
is_word(const char *entry, const char *word, size_t len)
{
	return (strlen(entry) == len && memcmp(entry, word, len) == 0);
}

static void
say(const char *word, long result)
{
	dprintf(STDERR_FILENO, "violate %s: %s\n", word,
	    result < 0 ? strerrorname_np(errno) : "done");
}

static void
violate(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (is_word(table[i].word, word, len))
			say(table[i].word, table[i].call());
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (is_word(numbers[i].word, word, len))
			say(numbers[i].word,
			    syscall(numbers[i].number, -1, 0, 0, 0, 0, 0));
}

ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
	return (preload_recv(fd, buf, size, flags, ".violate.test", violate));
}

int
connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t) =
	    preload_real("connect");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("DEV_LOG");

	if (to->sa_family != AF_UNIX || path == NULL ||
	    strcmp(((const struct sockaddr_un *)to)->sun_path, "/dev/log") != 0)
		return (real(fd, to, len));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return (real(fd, (const struct sockaddr *)&sun, sizeof(sun)));
}

static bool
fails(const char *variable)
{
	const char *path = getenv(variable);

	return (path != NULL && access(path, F_OK) == 0);
}

pid_t
fork(void)
{
	pid_t (*real)(void) = preload_real("fork");

	if (fails("NO_FORK")) {
		errno = EAGAIN;
		return (-1);
	}
	return (real());
}

int
seccomp_load(const void *filter)
{
	int (*real)(const void *) = preload_real("seccomp_load");

	born = find(is_listener);
	control = find(is_control);
	if (getenv("NO_FILTER") != NULL)
		return (0);
	return (fails("NO_SECCOMP") ? -EPERM : real(filter));
}

long
syscall(long number, ...)
{
	long (*real)(long, ...) = preload_real("syscall");
	long a[6];

	PRELOAD_ARGUMENTS(a, number);
	if (number == SYS_landlock_create_ruleset && fails("NO_LANDLOCK")) {
		errno = ENOSYS;
		return (-1);
	}
	return (real(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
