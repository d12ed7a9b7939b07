"""Golden numbers of tests/unit/gp/golden.rs: Gaussian processes of scikit-learn 1.x with fixed parameters."""
import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, RBF, WhiteKernel
from scipy.linalg import cho_solve, cholesky

rows, columns = 9, 3
k = np.arange(rows * columns).reshape(rows, columns)
x = np.sin(1.7 * k) + 0.1 * (k % 4)
y = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2]
y = y - y.mean()
train, test = x[:6], x[6:]
weights = np.array([0.9, 0.5, 1.4])
noise = 0.05 + 1e-5
kernels = {
    "matern": 1.5 * Matern(length_scale=1 / weights, nu=1.5),
    "squared": 0.8 * RBF(length_scale=1 / 0.7),
    "linear": 0.6 * DotProduct(sigma_0=1e-12),
}


def report(name, kernel):
    t = y[:6] - y[:6].mean()
    gram = kernel(train) + noise * np.eye(6)
    factor = cholesky(gram, lower=True)
    solved = cho_solve((factor, True), t)
    amplitude = t @ solved / 6
    scaled = ConstantKernel(amplitude) * kernel
    model = GaussianProcessRegressor(scaled, alpha=noise * amplitude, optimizer=None).fit(train, t)
    mean, cov = model.predict(test, return_cov=True)
    print(name, "mean", [float(f"{v:.12g}") for v in mean], "cov", [float(f"{v:.12g}") for v in cov.ravel()])
    print(name, "amplitude", float(amplitude), "marginal", float(model.log_marginal_likelihood_value_))
    loo = []
    for i in range(6):
        keep = np.arange(6) != i
        m = GaussianProcessRegressor(scaled, alpha=noise * amplitude, optimizer=None).fit(train[keep], t[keep])
        mu, sd = m.predict(train[i:i + 1], return_std=True)
        loo.append((float(mu[0]), float(sd[0] ** 2 + noise * amplitude)))
    print(name, "loo", [[float(f"{v:.12g}") for v in pair] for pair in loo])


report("matern", kernels["matern"])
report("sum", kernels["matern"] + kernels["squared"] + kernels["linear"])
