# Says what is wrong with its setting and ends.
echo "no setting: $0" >&2
exit 3
