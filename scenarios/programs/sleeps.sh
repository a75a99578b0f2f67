#!/bin/sh
# A daemon that nobody needs today.
exec sleep 100000
