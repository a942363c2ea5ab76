"""Several results folders together: two compared, or many in one leaderboard.

folders       several folders read, and why one holds nothing
unlike        what else differs between two: prices, data, models, machines
change        how much one score changed, and whether that is noise
compare       two folders: what is new, gone, or changed
side_by_side  the same, in tables
together      many folders: boards of the same task, metric and data beside each other
one_table     the same, in tables and as a DataFrame
sheet         a table drawn twice: for the terminal and in Markdown
"""
