# Adds to a dictionary that nobody prunes. Argument: bytes a second.
set n 0
proc turn {} {
    global n sessions
    for {set i 0} {$i < [expr {[lindex $::argv 0] / 10000}]} {incr i} {
        dict set sessions [incr n] [string repeat x 950]
    }
    after 100 turn
}
turn
vwait forever
