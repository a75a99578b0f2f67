#!/bin/sh
# A job that does its work in $1 seconds and ends well; its supervisor starts it again.
sleep "$1"
exit 0
