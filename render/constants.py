"""Every constant of the rasterizer, with its reason; how a file lays out its memory stands there. The model is that
of gsplat 1.5.3.
"""

ALPHA_MIN = 1.0 / 255.0
"""Contributions below one step of an 8-bit image are skipped."""

ALPHA_MAX = 0.999
"""Cap of one Gaussian's alpha: the adjoint divides by 1 - alpha."""

TRANSMITTANCE_MIN = 1e-4
"""A pixel is finished before the Gaussian that would take its transmittance to this value or below."""

MEDIAN_TRANSMITTANCE = 0.5
"""The median depth is that of the last Gaussian met while more than this transmittance is left."""

EXTENT_MAX = 3.33
"""Largest half-width of a Gaussian's box in standard deviations: just above sqrt(2 ln 255), where a Gaussian of
opacity 1 falls below ALPHA_MIN. The box never cuts off a contribution."""

GUARD_BAND = 0.15
"""The projection's Jacobian is taken no further outside the image than this share of its size: the linearisation of
a Gaussian beside the view would otherwise stretch it across the picture."""

FISHEYE_EPS = 1e-7
"""Added to the distance from a fisheye's axis where formulas divide by it: gsplat's, so that images are equal."""

ATAN_TERMS = 12
"""Terms of the series of atan at up to tan(90° / 8): the next one is below float64's rounding."""

COMPENSATION_MIN = 1e-6
"""Floor of the antialiasing factor where its gradient divides by it: a flat Gaussian seen edge-on has factor 0."""

MAX_RADIUS = 1e9
"""Radii are stored as int32; larger ones cover any image anyway."""

TILE_SIZE = 16
"""Edge of a tile in pixels: 256 pixels, one block of threads."""

EXPECTED_DEPTH_ALPHA_MIN = 1e-10
"""Expected depth divides by alpha, or by this where alpha is smaller: an empty pixel has depth 0."""

CUTOFF_SLACK = 1e-2
"""Added to the exponent at which a Gaussian's alpha falls to ALPHA_MIN when pixels are preselected by it, against
rounding: the pixels that pass are tested exactly afterwards."""

SPAN_SLACK = 1e-6
"""The same for cancellation in long, thin Gaussians: about ten float32 roundings of the exponent's largest term."""

ENTRY_BYTES = 16
"""What an entry of a tile's list takes while lists are made: a key and an id, and room to sort them into."""

SMALL_LISTS = 2**20
"""Bytes of lists that fit anywhere: asking the system takes longer than making them."""

CHANNELS_IN_REGISTERS = 4
"""Colour sums that a GPU thread holds while it walks its tile's list: RGB, or RGB and one more."""

BLOCK_CHANNELS_MAX = 8
"""Channels up to which a tile's block of threads composites on CUDA: its kernels are compiled for the number, and hold
a pixel's colour gradients in registers. RGB, or RGB and normals, and more."""

CAMERA_BLOCK_CPU = 512
"""Gaussians a CPU thread handles before it adds its share of the camera's gradient: one atomic each for 16 numbers."""

CAMERA_BLOCK_GPU = 16
"""The same on a GPU, which needs many threads, at least."""

CAMERA_BLOCKS_GPU = 16384
"""Blocks of Gaussians on a GPU at most: all add to the same few numbers."""

COLOR_OFFSET = 0.5
"""Added to the sum of spherical harmonics, so that coefficients of 0 are grey."""

DIRECTION_MIN = 1e-12
"""A Gaussian nearer to the camera's centre than this is seen from no direction: harmonics above degree 0 are 0."""
