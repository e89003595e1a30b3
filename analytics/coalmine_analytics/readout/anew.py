"""Evidence that begins anew: what an experiment had until then is subtracted from its sums.

A person asks for it, after a glitch that is not the version's fault. It is not free: the k-th time has
alpha / (k (k + 1)) for its decisions, so all of them together add at most alpha to the chance of erring.
"""

from dataclasses import replace

from coalmine_analytics.readout.plan import Plan


def plan_of_restart(plan: Plan, number: int) -> Plan:
    """The plan with the alpha of the k-th time that evidence begins anew; 0: of the beginning."""
    return plan if number == 0 else replace(plan, alpha=plan.alpha / (number * (number + 1)))
