"""Light for pictures of clips: one sun with a shadow, a sky that every point sees as much of as is open above it.

Arrays only. Whatever casts a shadow lies in the unit ball about the origin. Directions point to the light. A map holds
what is nearest to a light far away: `axes` (D, 3, 3) are right, up and the light's direction, so that axes @ point is a
place in the map, in [-1, 1], and how near the point is to the light. Materials are those of glTF: albedo, roughness,
metallic; the highlight is that of Walter et al., "Microfacet models for refraction through rough surfaces", EGSR 2007,
and what the sky adds to it is after Karis, "Physically based shading on mobile", 2014.
"""

import numpy as np
from numba import njit, prange

CREASE = np.cos(np.radians(50))  # faces that meet at a sharper angle are not shaded as one
SUN = np.array([0.98, 0.92, 0.82])  # radiance that a white surface facing it sends back
SKY_TOP = np.array([0.32, 0.37, 0.46])
SKY_RIM = np.array([0.47, 0.45, 0.43])
FLOOR = np.array([0.50, 0.49, 0.48])  # albedo
BACKGROUND = np.array([0.40, 0.41, 0.43])


@njit(cache=True, inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, inline="always")
def _unit(x, y, z):
    scale = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-30)
    return x * scale, y * scale, z * scale


@njit(cache=True, inline="always")
def _smooth(x, low, high):
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True)
def face_normals(points, faces):
    """(F, 3), as long as twice the face's area."""
    normals = np.empty((len(faces), 3))
    for f in range(len(faces)):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        normals[f, 0], normals[f, 1], normals[f, 2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return normals


@njit(cache=True, parallel=True)
def corner_normals(normals, faces, starts, around):
    """(F, 3, 3) unit: the mean over the faces about the corner's vertex that do not lie beyond a crease.

    `around` holds the faces of each vertex, those of vertex v at starts[v]:starts[v + 1].
    """
    out = np.empty((len(faces), 3, 3), np.float32)
    for f in prange(len(faces)):
        own = np.sqrt(_dot(normals[f], normals[f]))
        for k in range(3):
            x, y, z = 0.0, 0.0, 0.0
            v = faces[f, k]
            for g in around[starts[v] : starts[v + 1]]:
                other = normals[g]
                if _dot(normals[f], other) >= CREASE * own * np.sqrt(_dot(other, other)):
                    x, y, z = x + other[0], y + other[1], z + other[2]
            out[f, k, 0], out[f, k, 1], out[f, k, 2] = _unit(x, y, z)
    return out


@njit(cache=True, inline="always")
def _lit(maps, d, axes, x, y, z):
    """Whether nothing lies between a point and the light."""
    size = maps.shape[1]
    right, up, near = axes[d, 0], axes[d, 1], axes[d, 2]
    column = int(0.5 * size * (x * right[0] + y * right[1] + z * right[2] + 1.0))
    row = int(0.5 * size * (1.0 - (x * up[0] + y * up[1] + z * up[2])))
    if row < 0 or column < 0 or row >= size or column >= size:
        return 1.0
    return 1.0 if x * near[0] + y * near[1] + z * near[2] >= maps[d, row, column] else 0.0


@njit(cache=True, inline="always")
def _sky(dz):
    """Share of the zenith's colour in the direction with this z."""
    return _smooth(dz, -0.05, 0.9)


@njit(cache=True, parallel=True)
def irradiance(points, normals, maps, axes, step):
    """(P, 2, 3): what a white surface at the points, facing along the normals and against them, gets from the sky and
    from the floor. The maps are tested `step` off the surface."""
    out = np.empty((len(points), 2, 3), np.float32)
    share = 2.0 / len(axes)
    for p in prange(len(points)):
        for side in range(2):
            sign = 1.0 - 2.0 * side
            nx, ny, nz = sign * normals[p, 0], sign * normals[p, 1], sign * normals[p, 2]
            x, y, z = points[p, 0] + step * nx, points[p, 1] + step * ny, points[p, 2] + step * nz
            r, g, b, open_sky, all_sky = 0.0, 0.0, 0.0, 0.0, 1e-9
            for d in range(len(axes)):
                to = axes[d, 2]
                facing = nx * to[0] + ny * to[1] + nz * to[2]
                if facing > 0.0:
                    seen = facing * _lit(maps, d, axes, x, y, z)
                    mix = _sky(to[2])
                    r += share * seen * (SKY_RIM[0] + mix * (SKY_TOP[0] - SKY_RIM[0]))
                    g += share * seen * (SKY_RIM[1] + mix * (SKY_TOP[1] - SKY_RIM[1]))
                    b += share * seen * (SKY_RIM[2] + mix * (SKY_TOP[2] - SKY_RIM[2]))
                    open_sky, all_sky = open_sky + seen, all_sky + facing
            bounce = (0.5 - 0.5 * nz) * (0.25 + 0.75 * open_sky / all_sky) * 1.6
            out[p, side, 0], out[p, side, 1] = r + bounce * FLOOR[0], g + bounce * FLOOR[1]
            out[p, side, 2] = b + bounce * FLOOR[2]
    return out


@njit(cache=True, inline="always")
def _sunlit(shadow, axes, x, y, z):
    """(in [0, 1]): the mean of 16 places about the point's in the shadow map."""
    total = 0.0
    width = 1.3 / shadow.shape[1]
    right, up = axes[0, 0], axes[0, 1]
    for i in range(4):
        for j in range(4):
            s, t = (i - 1.5) * width, (j - 1.5) * width
            total += _lit(
                shadow,
                0,
                axes,
                x + s * right[0] + t * up[0],
                y + s * right[1] + t * up[1],
                z + s * right[2] + t * up[2],
            )
    return total / 16.0


@njit(cache=True, inline="always")
def _blend(values, corners, weights, c):
    """Channel c of `values` (V, C), between a triangle's corners."""
    return weights[0] * values[corners[0], c] + weights[1] * values[corners[1], c] + weights[2] * values[corners[2], c]


@njit(cache=True, inline="always")
def _surface(view, normal, sun, lit, material, out):
    """Radiance (3,) of a surface. material is albedo (3), roughness, metallic, ambient (3), glow; the vectors are
    unit."""
    rough, metal = max(material[3], 0.06), material[4]
    nv, nl = max(_dot(normal, view), 1e-3), max(_dot(normal, sun), 0.0)
    half = _unit(view[0] + sun[0], view[1] + sun[1], view[2] + sun[2])
    nh, vh = max(_dot(normal, half), 0.0), max(_dot(view, half), 0.0)
    a2 = rough**4
    spread = nh * nh * (a2 - 1.0) + 1.0
    k = 0.125 * (rough + 1.0) ** 2
    lobe = min(a2 / (spread * spread) / (4.0 * (nl * (1.0 - k) + k) * (nv * (1.0 - k) + k)), 20.0)
    fresnel = (1.0 - vh) ** 5
    mirrored = 2.0 * nv * normal[2] - view[2]
    above = _smooth(mirrored, -0.1 - rough, 0.1 + rough)
    # windows of brighter sky overhead and to the left, by which gloss and metal are known
    back = 2.0 * nv
    aside = -0.83 * (back * normal[0] - view[0]) - 0.44 * (back * normal[1] - view[1]) + 0.35 * mirrored
    blurred = 0.1 + 0.5 * rough
    window = max(1.0 - rough / 0.7, 0.0) * (
        1.4 * _smooth(mirrored, 0.65 - blurred, 0.65 + blurred) + 1.1 * _smooth(aside, 0.75 - blurred, 0.75 + blurred)
    )
    mix = _sky(mirrored)
    smooth = 1.0 - rough
    glance = min(smooth * smooth, 2.0 ** (-9.28 * nv)) * smooth + 0.0425 - 0.0275 * rough
    scale, bias = 1.04 - 0.572 * rough - 1.04 * glance, 1.04 * glance - 0.04 + 0.022 * rough
    open_sky = min((material[5] + material[6] + material[7]) / 1.4, 1.0)
    for c in range(3):
        f0 = 0.04 + (material[c] - 0.04) * metal
        sky = SKY_RIM[c] + mix * (SKY_TOP[c] - SKY_RIM[c]) + window
        mirror = 0.7 * FLOOR[c] + above * (sky - 0.7 * FLOOR[c])
        diffuse = material[c] * (1.0 - metal) * (material[5 + c] + lit * nl * SUN[c])
        shine = lit * nl * SUN[c] * lobe * (f0 + (1.0 - f0) * fresnel)
        out[c] = diffuse + shine + open_sky * mirror * (f0 * scale + bias) + material[8] * material[c]


@njit(cache=True, inline="always")
def _floor(ground, light, x, y, out):
    """Radiance (3,) of the floor at (x, y), which fades into the background."""
    height, grid, reach = ground
    shadow, axes = light
    cells = grid.shape[0] - 1
    u, v = (x / reach + 1.0) * 0.5 * cells, (y / reach + 1.0) * 0.5 * cells
    fade = _smooth(np.sqrt(x * x + y * y), 0.45 * reach, 0.97 * reach)
    i, j = min(max(int(u), 0), cells - 1), min(max(int(v), 0), cells - 1)
    s, t = min(max(u - i, 0.0), 1.0), min(max(v - j, 0.0), 1.0)
    lit = 1.0 if fade >= 1.0 else _sunlit(shadow, axes, x, y, height + 0.006)
    for c in range(3):
        low = grid[i, j, c] * (1 - t) + grid[i, j + 1, c] * t
        high = grid[i + 1, j, c] * (1 - t) + grid[i + 1, j + 1, c] * t
        value = FLOOR[c] * (low * (1 - s) + high * s + lit * max(axes[0, 2, 2], 0.0) * SUN[c])
        out[c] = value + fade * (BACKGROUND[c] - value)


@njit(cache=True, parallel=True)
def shade(seen, surface, ground, light, eye):
    """A picture (height, width, 3) of linear radiance.

    seen: what each pixel sees, triangle (height, width), weights of its corners (height, width, 3), and the faces
    (F, 3). surface: points (V, 3), corner normals (F, 3, 3), material (V, 6) albedo, roughness, metallic and glow (what
    it sends out, in units of the albedo), and irradiance (V, 2, 3). ground: height of the floor, irradiance on a grid
    over it (N, N, 3), how far that reaches. light: the sun's map (1, S, S) and axes (1, 3, 3). eye: its place (3,), and
    (3, 3) what a ray gains by one unit of the picture's x, by one of its y, and ahead.
    """
    triangle, weights, faces = seen
    points, normals, material, ambient = surface
    place, rays = eye
    axes = light[1]
    sun = (axes[0, 2, 0], axes[0, 2, 1], axes[0, 2, 2])
    height, width = triangle.shape
    picture = np.empty((height, width, 3), np.float32)
    for row in prange(height):
        for column in range(width):
            out = picture[row, column]
            across, up = (2.0 * column + 1.0) / width - 1.0, 1.0 - (2.0 * row + 1.0) / height
            dx = across * rays[0, 0] + up * rays[1, 0] + rays[2, 0]
            dy = across * rays[0, 1] + up * rays[1, 1] + rays[2, 1]
            dz = across * rays[0, 2] + up * rays[1, 2] + rays[2, 2]
            down = (ground[0] - place[2]) / dz if dz < 0.0 else np.inf
            f, w, near = triangle[row, column], weights[row, column], np.inf
            if f >= 0:
                at = faces[f]
                x, y, z = _blend(points, at, w, 0), _blend(points, at, w, 1), _blend(points, at, w, 2)
                near = ((x - place[0]) * dx + (y - place[1]) * dy + (z - place[2]) * dz) / (dx * dx + dy * dy + dz * dz)
            if f >= 0 and near < down + 2e-3:  # what lies on the floor is drawn before it
                view = _unit(-dx, -dy, -dz)
                n, own = normals[f], (0, 1, 2)
                normal = _unit(_blend(n, own, w, 0), _blend(n, own, w, 1), _blend(n, own, w, 2))
                side = 0
                if _dot(normal, view) < 0.0:
                    normal, side = (-normal[0], -normal[1], -normal[2]), 1
                lit = 0.0
                if _dot(normal, sun) > 0.0:
                    off = 0.008
                    lit = _sunlit(light[0], axes, x + off * normal[0], y + off * normal[1], z + off * normal[2])
                light_in = ambient[:, side]
                own_material = (
                    _blend(material, at, w, 0), _blend(material, at, w, 1), _blend(material, at, w, 2),
                    _blend(material, at, w, 3), _blend(material, at, w, 4),
                    _blend(light_in, at, w, 0), _blend(light_in, at, w, 1), _blend(light_in, at, w, 2),
                    _blend(material, at, w, 5),
                )  # fmt: skip
                _surface(view, normal, sun, lit, own_material, out)
            elif down < np.inf:
                _floor(ground, light, place[0] + down * dx, place[1] + down * dy, out)
            else:
                for c in range(3):
                    out[c] = BACKGROUND[c]
    return picture
