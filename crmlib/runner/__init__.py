"""Run one notebook safely, render it, keep what is good; and keep the repository's own notebooks in order.

parameters, values     what the annotated cell declares, and what it lets through
plan, provenance       what `reports.yml` wants run, and the hashes of all it is made from
preparation            parameters set, cells for people at a keyboard taken out
execution, account     one notebook in a kernel of its own, and a true account of it
kernels, warm          how a kernel is started and ended; kernels forked from a process that has
servers, forkserver    imported the heavy packages: the runner's side, the server's, and what it
preloading             imports
parallel, processes    several reports at a time; a run's memory, and the end of all it started
planfile, freshness    the plan's text fanned out; data too old refused
requests, due          which reports a call asks for, and whether they are due
reports, attempts      the plan; one report: lock, inputs, retries, the last good page kept
run, records           execution, judgement, page; folder and record
outcomes, progress     exit codes and the line that tells them; progress shown
preview, hooks         what a run would do; commands that hear how it ended
history, comparisons   past runs; what moved between two beyond its error (extents: rows they share)
rendering, keyfigures  a page: its blocks, and the findings' main numbers (quantities: in words)
prose, outputs         Markdown with formulas drawn; what cells show (sanitising: made harmless)
grids, suppression     tables as cells; small groups withheld
tables, paper          a page's tables as CSV and XLSX; the page as PDF
commands               `crm report`
shelf                  the index of all reports
notebooks, committed   the repository's own notebooks: started, executed, in one stable form
lint, lesson, cellcode what they must be
"""
