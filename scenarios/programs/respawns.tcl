# Runs its program, catches what goes wrong, and runs it again. Arguments: milliseconds between, program.
set pause [lindex $argv 0]
while 1 {
    if {[catch {exec {*}[lrange $argv 1 end]} said]} {puts stderr "again: $said"}
    after $pause
}
