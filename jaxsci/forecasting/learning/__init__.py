"""How networks learn from series: which dates they are judged on while they do."""
