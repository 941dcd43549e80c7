"""Physics alone: find the velocity with which a soft ball must be thrown to come to lie where it should."""

import torch

import bridge
from configs.material import NeoHookeanConfig
from configs.mesh import MeshConfig
from configs.mpm import MPMConfig


def main() -> float:
    """Distance between where the ball is at the end and where it should be. Unit: metre."""
    config = MPMConfig(
        grid={"origin": (-1, 0, -1), "spacing": 0.0625, "size": (33, 25, 33)},
        dt=2e-3,
        gravity=(0.0, -9.81, 0.0),
        boundary="separate",
        material=NeoHookeanConfig(density=1000.0, youngs_modulus=5e4, poissons_ratio=0.3),
    )
    ball = bridge.load_points(MeshConfig(mesh="sphere").path, spacing=0.0625)
    x = 0.3 * ball.x + torch.tensor([-0.6, 0.5, 0.0])
    mass, volume = 0.027 * ball.mass, 0.027 * ball.volume
    goal = torch.tensor([0.4, 0.6, -0.3])

    physics = bridge.DiffMPM(config)
    throw = torch.nn.Parameter(torch.tensor([1.0, 0.0, 0.0]))
    optimizer = torch.optim.LBFGS([throw], max_iter=4, line_search_fn="strong_wolfe")

    def miss() -> torch.Tensor:
        """It falls, hits the floor, is squeezed and bounces on its way."""
        state = physics(x, throw.expand_as(x), mass=mass, volume=volume, steps=200)
        return (state.x.mean(dim=0) - goal).square().sum()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = miss()
        loss.backward()
        return loss

    for step in range(4):
        loss = optimizer.step(closure)
        print(f"step {step + 1}: missed by {loss.sqrt():.4f} m, thrown at {throw.tolist()}")
    with torch.no_grad():
        return float(miss().sqrt())


if __name__ == "__main__":
    main()
