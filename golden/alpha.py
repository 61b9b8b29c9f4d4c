"""Reference values of the tests of strategy::alpha, by other people's code: statsmodels, scipy, hmmlearn.

    pip install numpy scipy statsmodels hmmlearn && python -P golden/alpha.py

The series come of SplitMix64 and sums of twelve uniforms, so that the tests make the same to the last bit.
"""

import numpy as np
import statsmodels.api as sm
from hmmlearn.hmm import GaussianHMM
from scipy import stats
from statsmodels.tsa.stattools import adfuller, coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen


class Random:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def uniform(self):
        return (self.next() >> 11) * (1.0 / (1 << 53))

    def bell(self):
        total = 0.0
        for _ in range(12):
            total += self.uniform()
        return total - 6.0


def pair(rows):
    """A random walk, and a series that hangs on it."""
    random = Random(21)
    x, y, walk, near = [], [], 0.0, 0.0
    for _ in range(rows):
        walk = walk + random.bell()
        near = 0.8 * near + random.bell()
        x.append(walk)
        y.append(2.0 + 1.5 * walk + near)
    return np.array(x), np.array(y)


def signal(rows):
    """A persistent signal with ties, and what follows it."""
    random = Random(22)
    s, r, state = [], [], 0.0
    for _ in range(rows):
        state = 0.9 * state + random.bell()
        s.append(np.floor(4.0 * state + 0.5) / 4.0)
        r.append(0.2 * state + random.bell())
    return np.array(s), np.array(r)


def regimes(rows):
    """Calm and wild stretches in turn."""
    random = Random(23)
    return np.array([(0.2 if (row // 50) % 2 == 0 else -0.1) + (0.5 if (row // 50) % 2 == 0 else 2.0) * random.bell() for row in range(rows)])


x, y = pair(250)
for name, series, kind in [("x c", x, "c"), ("y-1.5x c", y - 1.5 * x, "c"), ("y-1.5x n", y - 1.5 * x, "n"), ("x ct", x, "ct")]:
    found = adfuller(series, regression=kind, autolag="AIC", result_object=False)
    print("adf", name, repr(float(found[0])), found[2], found[3], {k: float(v) for k, v in found[4].items()})
test = coint(y, x)
print("engle-granger", repr(float(test[0])), [float(v) for v in test[2]])
ols = sm.OLS(y, sm.add_constant(x)).fit()
print("hedge", [repr(float(v)) for v in ols.params], [repr(float(v)) for v in ols.bse])
# At no lags statsmodels takes the level of the same row and not of the row before.
for lags in [1, 2]:
    found = coint_johansen(np.column_stack([y, x]), 0, lags)
    print("johansen", lags, [repr(float(v)) for v in found.trace_stat], found.trace_stat_crit_vals.tolist(), [repr(float(v)) for v in found.eig], (found.evec[:, 0] / found.evec[0, 0]).tolist())

s, r = signal(400)
print("pearson", repr(float(stats.pearsonr(s, r).statistic)), "spearman", repr(float(stats.spearmanr(s, r).statistic)))
zs, zr = stats.zscore(s), stats.zscore(r)
rho = float(np.mean(zs * zr))
psi = zs * zr - 0.5 * rho * (zs**2 + zr**2)
for lag in [0, 5, 12]:
    fit = sm.OLS(psi, np.ones_like(psi)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    print("newey-west", lag, repr(float(fit.bse[0])))

v = regimes(300)
model = GaussianHMM(2, covariance_type="diag")
model.startprob_ = np.array([0.6, 0.4])
model.transmat_ = np.array([[0.97, 0.03], [0.05, 0.95]])
model.means_ = np.array([[0.2], [-0.1]])
model.covars_ = np.array([[0.25], [4.0]])
print("hmm", repr(float(model.score(v.reshape(-1, 1)))), "viterbi ones", int(model.predict(v.reshape(-1, 1)).sum()))
print("last filtered", model.predict_proba(v.reshape(-1, 1))[-1].tolist())
free = GaussianHMM(2, covariance_type="diag", n_iter=2000, tol=1e-10, init_params="", min_covar=0, covars_prior=0, covars_weight=0, means_weight=0)
free.startprob_, free.transmat_, free.means_, free.covars_ = model.startprob_, model.transmat_, model.means_, np.array([[0.25], [4.0]])
free.fit(v.reshape(-1, 1))
print("fitted", repr(float(free.score(v.reshape(-1, 1)))), free.means_.ravel().tolist(), free.covars_.ravel().tolist(), free.transmat_.tolist())
