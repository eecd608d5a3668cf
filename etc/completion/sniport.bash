# Completion of sniport's command line for bash. The commands, the reasons and
# the options are those of the sniport that is called.

_sniport_commands()
{
	"$1" -h 2>/dev/null |
		sed -n 's/^ *\(usage: \)\{0,1\}sniport\( \[[^]]*\]\)* \([a-z][a-z]*\).*/\3/p'
}

_sniport_options()
{
	"$1" -h 2>/dev/null |
		sed -n 's/^  \(-.*\)/\1/p' |
		tr ', ' '\n\n' |
		sed -n 's/^\(--\{0,1\}[A-Za-z][a-z]*\)$/\1/p'
}

_sniport()
{
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} command= i
	local before=${COMP_WORDS[COMP_CWORD - 1]} words=
	local filters='client= host= target= rule= identity= generation= id='

	# "sort=to" comes as three words.
	if [ "$word" = "=" ]; then
		word= before=${COMP_WORDS[COMP_CWORD - 1]}=
	elif [ "$before" = "=" ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}=
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | -q | -s | --control) ((i++)) ;;
		-* | =) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $before in
	-c | --control)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-q | -s) return ;;
	sort=) words='rate total age' ;;
	*=) return ;;
	*)
		case $word,$command in
		-*) words=$(_sniport_options "$program") ;;
		*,) words=$(_sniport_commands "$program") ;;
		*,why) words=$("$program" why 2>/dev/null | sed 's/ .*//') ;;
		*,top) words="sort= $filters" ;;
		*,tunnels | *,close) words=$filters ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	case ${COMPREPLY[0]} in
	*=) compopt -o nospace 2>/dev/null ;;
	esac
}

complete -F _sniport sniport
