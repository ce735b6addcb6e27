"""Run one notebook safely, render it, keep what is good; and keep the repository's own notebooks in order.

parameters, values     what the annotated cell declares, and what it lets through
plan, provenance       what `reports.yml` wants run, and the hashes of all it is made from
execution              one notebook in a kernel of its own, and a true account of it
warm, forkserver       kernels forked from a process that has imported the heavy packages
parallel, processes    several reports at a time; a run's memory, and the end of all it started
planfile, freshness    the plan's text fanned out; data too old refused
reports, run, records  lock, folder, record; the last good page kept; progress shown
preview, hooks         what a run would do; commands that hear how it ended
history, comparisons   past runs; what moved between two beyond its error (extents: rows they share)
rendering, prose       a page: its blocks, Markdown with formulas drawn, foreign HTML sanitised
grids, suppression     tables as cells; small groups withheld
tables, paper          a page's tables as CSV and XLSX; the page as PDF
commands               `crm report`
shelf                  the index of all reports
notebooks, committed   the repository's own notebooks: started, executed, in one stable form
lint, lesson           what they must be
"""
