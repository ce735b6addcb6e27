"""Run one notebook safely, render it, keep what is good; and keep the repository's own notebooks in order.

parameters, plan       what may run: the annotated cell, `reports.yml`
execution              one notebook in a kernel of its own, and a true account of it
reports, records       one run of a report: lock, folder, record, the last good one kept
rendering, shelf       the page of a report, the index of all
notebooks, committed   the repository's own notebooks: started, executed, in one stable form
lint, lesson           what they must be
"""
