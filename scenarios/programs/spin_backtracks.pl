# Three processes that match an expression with itself inside, against a text that does not fit.
fork && fork for 1;
("a" x 60 . "b") =~ /^(?:a|aa|a?a)+$/ while 1;
