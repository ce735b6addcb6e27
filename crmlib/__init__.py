"""Customer relationship management analytics: a small library under parameterised notebooks.

The map of the package, in the order in which its layers may import one another:

foundation
    errors        what can go wrong, named
    project       where the project lies
    frames        any frame in, the same kind out; calendar arithmetic
    columns       columns that hold what they should
    options       and options that are what they should be
    intervals     the bootstrap over customers
    likelihood    maximum likelihood on statsmodels, identical rows grouped
    findings      computed conclusions
data
    load          source -> tables: real data from pinned wheels, a folder, the simulated firm
models            one distribution of behaviour a file: BG/NBD, Pareto/NBD, gamma-gamma, sBG and more
topics
    attribution   which channel brought the customer?                   notebook 01
    paths         which ways do customers take before they buy?         notebook 21
    budget        how should money be split, when is it back?           notebook 16
    cohorts       do customers stay, which subscribers leave?           notebooks 02, 15
    loyalty       does 80/20 hold, and what does the programme add?     notebook 03
    rewards       do points move purchases, do members stay?            notebook 18
    profitability which customers lose money, and should they go?       notebook 04
    clv           what are customers still worth?                       notebook 06
    rfm           whom should we select?                                notebook 05
    wallet        how much of what they spend is ours?                  notebook 19
    satisfaction  do satisfied customers come back?                     notebook 17
    referral      do customers bring customers, what is one worth?      notebook 20
presentation
    figures       axes in, axes out
    widgets       interactive sections
    exercises     exercises that check themselves
runner            run one notebook safely, render it, keep what is good
cli               the `crm` command

Import what you need by its module, `from crmlib import cohorts, figures`: importing `crmlib`
itself loads nothing.
"""

__version__ = "0.1.0"
