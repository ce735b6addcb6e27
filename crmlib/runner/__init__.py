"""Run one notebook safely, render it, keep what is good; and keep the repository's own notebooks in order.

parameters, values     what the annotated cell declares, and what it lets through
plan, provenance       what `reports.yml` wants run, and the hashes of all it is made from
execution              one notebook in a kernel of its own, and a true account of it
warm, forkserver       kernels forked from a process that has imported the heavy packages
parallel, processes    several reports at a time; a run's memory, and the end of all it started
reports, run, records  lock, folder, record; the last good page kept; progress shown
rendering, prose       a page: its blocks, Markdown with formulas drawn, foreign HTML sanitised
shelf                  the index of all reports
notebooks, committed   the repository's own notebooks: started, executed, in one stable form
lint, lesson           what they must be
"""
