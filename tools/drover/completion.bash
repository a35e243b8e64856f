# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of drover's words in bash. Names come from drover itself.

# _drover_names LIST FIELD: e.g. the names of all VMs. Silent where nobody answers. What is
# no name is left out, as compgen would expand it.
_drover_names()
{
	drover "$1" list --json 2>/dev/null |
		grep -oE "\"$2\": ?(\"[A-Za-z0-9._-]+\"|[0-9]+)" | sed 's/^[^:]*: *//; s/"//g'
}

# _drover_options COMMAND WORD: the long options of a command.
_drover_options()
{
	local common='--json --help'
	case "$1 $2" in
	'vm start') echo "--on --force $common" ;;
	'host maintenance' | 'host standby') echo "--detach $common" ;;
	'dpm host') echo "--mode --watts $common" ;;
	'host power') echo "--force --cut --detach --password-file --remove $common" ;;
	'dpm apply') echo "--all $common" ;;
	'dpm set') echo "--hosts-min --target --wake-window --sleep-window --quiet --stay-on --stay-off --shutdown-timeout --boot-timeout $common" ;;
	'drs apply') echo "--all $common" ;;
	'drs set') echo "--failover-hosts --settle $common" ;;
	'rule add') echo "--host --should $common" ;;
	'respool set' | 'respool vm')
		echo "--in --mode --cpu-shares --cpu-reservation --cpu-limit --memory-shares --memory-reservation --memory-limit $common"
		;;
	'vm stop') echo "--force --timeout $common" ;;
	migrate*) echo "--to --with-storage --delete-old --verify --downtime-limit --bandwidth --streams --detach $common" ;;
	'migration resolve') echo "--source --target $common" ;;
	'pool list' | 'pool show') echo "--measure $common" ;;
	'pool evacuate') echo "--to --parallel --bandwidth --delete-old --dry-run --detach $common" ;;
	'pool balance') echo "--apply --detach $common" ;;
	'storage migrate')
		echo "--to --all --format --bandwidth --keep-backing --delete-old --verify --detach $common"
		;;
	*) echo "$common" ;;
	esac
}

# _drover_operand COMMAND WORD: what may stand after these two.
_drover_operand()
{
	case "$1 $2" in
	'vm start' | 'vm stop' | 'vm show') _drover_names vm name ;;
	'host show' | 'host maintenance' | 'host standby' | 'dpm host') _drover_names host name ;;
	'host power') echo 'status on off set test' ;;
	'drs mode') echo 'manual partial full' ;;
	'dpm mode') echo 'off manual automatic' ;;
	'drs explain' | 'respool vm' | 'respool release') _drover_names vm name ;;
	'rule remove') _drover_names rule name ;;
	'respool remove') _drover_names respool name ;;
	'storage migrate' | 'storage list') _drover_names vm name ;;
	'storage show' | 'storage cancel') _drover_names storage id ;;
	'pool show' | 'pool evacuate' | 'pool report' | 'pool stop') _drover_names pool name ;;
	'migration show' | 'migration cancel' | 'migration resolve')
		_drover_names migration id
		;;
	esac
}

# _drover_second COMMAND: what may stand directly after a command.
_drover_second()
{
	case $1 in
	vm) echo 'start stop list show' ;;
	migration) echo 'list show cancel resolve' ;;
	host) echo 'list show maintenance power standby' ;;
	dpm) echo 'status recommendations apply mode threshold set host history savings' ;;
	drs) echo 'status recommendations apply mode threshold set explain history' ;;
	rule) echo 'add list remove' ;;
	respool) echo 'set vm list remove release' ;;
	cluster) echo 'init join update leave status' ;;
	pool) echo 'list show evacuate balance report stop' ;;
	storage) echo 'migrate list show cancel' ;;
	session) echo 'list' ;;
	migrate) _drover_names vm name ;;
	help) echo 'vm migrate migration storage pool host cluster drs dpm rule respool events session version help' ;;
	esac
}

_drover()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local -a words=()
	local i offer=''

	case $previous in
	--to)
		case ${COMP_WORDS[*]} in
		*' pool '* | *' storage '*) offer=$(_drover_names pool name) ;;
		*) offer=$(_drover_names host name) ;;
		esac
		;;
	--format) offer='raw qcow2' ;;
	--on) offer="auto $(_drover_names host name)" ;;
	--password-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--host) offer=$(_drover_names host name) ;;
	--timeout | --downtime-limit | --bandwidth | --streams | --parallel)
		COMPREPLY=()
		return
		;;
	*)
		# The words before this one that are neither options nor values of options.
		for ((i = 1; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--to | --format | --timeout | --downtime-limit | --bandwidth | --streams | --parallel | --password-file)
				i=$((i + 1))
				;;
			-*) ;;
			*) words+=("${COMP_WORDS[i]}") ;;
			esac
		done
		case $current in
		-*) offer=$(_drover_options "${words[0]-}" "${words[1]-}") ;;
		*)
			case ${#words[@]} in
			0) offer='vm migrate migration storage pool host cluster drs rule respool events session version help' ;;
			1) offer=$(_drover_second "${words[0]}") ;;
			2) offer=$(_drover_operand "${words[@]}") ;;
			3)
				case "${words[0]} ${words[1]}" in
				'host power') offer=$(_drover_names host name) ;;
				esac
				;;
			4)
				case "${words[*]:0:3}" in
				'host power set') offer='ipmi redfish wol' ;;
				esac
				;;
			esac
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$current")
}

complete -F _drover drover
