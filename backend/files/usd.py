"""A clip as .usdc or .usdz: one UsdGeom.Mesh with time-sampled points, the form for heavy clips and for film tools.

Z up, metres, one time code a frame, from 1. Colours over life are primvars:displayColor, linear, with time samples;
roughness and metallic are primvars of those names, what has gone is primvars:displayOpacity 0, and what glows sends out
the light that primvars:emissiveColor says, linear too. A UsdPreviewSurface reads them all.
Textures lie beside a .usdc and inside a .usdz. One that holds its own light is sent out as light: nothing that shines
on it changes it. Of others the place is taken by the colours, or the roughness, over life where these change, for the
surface has no way to join the two.
"""

import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_STORED, LargeZipFile, ZipFile, ZipInfo

import numpy as np
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade, Vt

from backend import protocol
from backend.clip import Clip, Texture
from backend.files import Unwritable, beside, part_of

_COLOUR, _NUMBER = Sdf.ValueTypeNames.Float3, Sdf.ValueTypeNames.Float
_READERS = {
    "displayColor": ("diffuseColor", "UsdPrimvarReader_float3", _COLOUR, Gf.Vec3f(protocol.GREY)),
    "roughness": ("roughness", "UsdPrimvarReader_float", _NUMBER, protocol.MATT),
    "metallic": ("metallic", "UsdPrimvarReader_float", _NUMBER, 0.0),
    "displayOpacity": ("opacity", "UsdPrimvarReader_float", _NUMBER, 1.0),
    "emissiveColor": ("emissiveColor", "UsdPrimvarReader_float3", _COLOUR, Gf.Vec3f(0.0)),
}


def save(clip: Clip, path: Path) -> None:
    """Textures lie `beside` a .usdc. Raises Unwritable where a .usdz would be longer than the format allows."""
    part = part_of(path)
    try:
        part.mkdir(exist_ok=True)
        for written in _written(clip, part / path.name):
            written.replace(path.with_name(written.name))
    except Tf.ErrorException as error:  # of many errors, of which the first is the cause
        said = getattr(error.args[0], "commentary", "") if error.args else ""
        raise OSError(said.removeprefix("Error occurred writing file: ") or "USD could not write it") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _written(clip: Clip, path: Path) -> list[Path]:
    """The files of a clip, all in the folder of `path`, which comes last."""
    texture = _shown(clip)
    pictures = {} if texture is None else beside(path, texture)
    for picture, data in pictures.items():
        picture.write_bytes(data)
    crate = path.with_suffix(".usdc")
    _save(clip, crate, texture, [picture.name for picture in pictures])
    if path.suffix.lower() == ".usdc":
        return [*pictures, crate.rename(path)]
    try:
        _pack([crate, *pictures], path)
    except LargeZipFile:
        raise Unwritable(
            "The clip is too large for .usdz, which ends at 2 GB: make fewer frames, or write .usdc"
        ) from None
    return [path]


def _shown(clip: Clip) -> Texture | None:
    """The texture of what is seen all life long."""
    texture = clip.subject.texture
    if texture is None or not texture.lit:
        return texture
    if not clip.keeps("albedo"):
        return None
    return texture if clip.keeps("roughness") else replace(texture, roughness=None)


def _pack(files: list[Path], path: Path) -> None:
    """A .usdz, of which the first file is what is opened. USD's own writer says nothing where the disk is full."""
    with ZipFile(path, "w", ZIP_STORED, allowZip64=False) as package:
        for file in files:
            entry = ZipInfo(file.name)
            at = package.fp.tell() + 30 + len(entry.filename.encode()) + 4  # of its bytes: after its header and padding
            entry.extra = struct.pack("<HH", 0x1986, -at % 64) + bytes(-at % 64)  # they begin at multiples of 64
            package.writestr(entry, file.read_bytes())


def _save(clip: Clip, path: Path, texture: Texture | None, pictures: list[str]) -> None:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(clip.fps)
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(len(clip.positions))
    stage.GetRootLayer().comment = "Made by Anthesis"
    root = UsdGeom.Xform.Define(stage, "/Anthesis")
    stage.SetDefaultPrim(root.GetPrim())
    root.GetPrim().SetCustomData({_key(name): value for name, value in clip.provenance.items()})
    mesh = _mesh(stage, clip)
    primvars = UsdGeom.PrimvarsAPI(mesh)
    bound = [name for name in _READERS if primvars.GetPrimvar(name).HasAuthoredValue()]
    if texture is None:
        material = _material(stage, bound)
    elif texture.lit:
        material = _material(stage, bound, dict(zip(("displayColor", "roughness"), pictures, strict=False)))
    else:
        material = _showing(stage, texture, *pictures)
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)
    stage.Save()


def _mesh(stage: Usd.Stage, clip: Clip) -> UsdGeom.Mesh:
    subject = clip.subject
    mesh = UsdGeom.Mesh.Define(stage, "/Anthesis/Mesh")
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(subject.sizes))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(subject.corners))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    points, extent = mesh.CreatePointsAttr(), mesh.CreateExtentAttr()
    for number, positions in enumerate(clip.positions, start=1):
        points.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(positions)), number)
        extent.Set(Vt.Vec3fArray.FromNumpy(np.stack([positions.min(axis=0), positions.max(axis=0)])), number)
    primvars = UsdGeom.PrimvarsAPI(mesh)
    if subject.uv is not None:
        st = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
        st.Set(Vt.Vec2fArray.FromNumpy(subject.uv))
    _over_life(primvars, "displayColor", Sdf.ValueTypeNames.Color3fArray, clip.albedo, subject.albedo)
    _over_life(primvars, "roughness", Sdf.ValueTypeNames.FloatArray, clip.roughness, subject.roughness)
    _over_life(primvars, "metallic", Sdf.ValueTypeNames.FloatArray, clip.metallic, subject.metallic)
    _over_life(primvars, "displayOpacity", Sdf.ValueTypeNames.FloatArray, clip.opacity, None)
    _over_life(primvars, "emissiveColor", Sdf.ValueTypeNames.Color3fArray, _light(clip), None)
    return mesh


def _light(clip: Clip) -> np.ndarray | None:
    """(T, V, 3) what glows sends out, in its own colour."""
    if clip.emission is None:
        return None
    albedo = clip.subject.albedo if clip.albedo is None else clip.albedo
    colour = np.full(3, protocol.GREY, np.float32) if albedo is None else albedo
    return protocol.GLOW * clip.emission[..., None] * colour


def _over_life(primvars: UsdGeom.PrimvarsAPI, name: str, kind, samples, still) -> None:
    """A primvar a vertex: time samples where the clip has them, else the subject's own, else nothing."""
    if samples is None and still is None:
        return
    array = Vt.Vec3fArray if kind == Sdf.ValueTypeNames.Color3fArray else Vt.FloatArray
    primvar = primvars.CreatePrimvar(name, kind, UsdGeom.Tokens.vertex)
    if samples is None:
        primvar.Set(array.FromNumpy(np.ascontiguousarray(still)))
        return
    for number, values in enumerate(samples, start=1):
        primvar.Set(array.FromNumpy(np.ascontiguousarray(values)), number)


def _material(stage: Usd.Stage, bound: list[str], pictures: dict[str, str] | None = None) -> UsdShade.Material:
    """A material of what primvars say, and of the pictures of those names that tell it in their place."""
    material, surface = _surface(stage)
    for name, (target, reader, kind, fallback) in _READERS.items():
        value = surface.CreateInput(target, Sdf.ValueTypeNames.Color3f if kind == _COLOUR else kind)
        if picture := (pictures or {}).get(name):
            shader = _picture(stage, name, picture, "sRGB" if kind == _COLOUR else "raw")
            value.ConnectToSource(shader.CreateOutput("rgb" if kind == _COLOUR else "r", kind))
        elif name in bound:
            shader = UsdShade.Shader.Define(stage, f"/Anthesis/Material/{name}")
            shader.CreateIdAttr(reader)
            shader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(name)
            shader.CreateInput("fallback", kind).Set(fallback)
            value.ConnectToSource(shader.CreateOutput("result", kind))
        else:
            value.Set(fallback)
    return material


def _showing(stage: Usd.Stage, texture: Texture, name: str) -> UsdShade.Material:
    """A material that is the picture of that name beside the file: it reflects nothing."""
    material, surface = _surface(stage)
    for dark, kind, value in (
        ("diffuseColor", Sdf.ValueTypeNames.Color3f, Gf.Vec3f(0.0)),
        ("useSpecularWorkflow", Sdf.ValueTypeNames.Int, 1),
        ("specularColor", Sdf.ValueTypeNames.Color3f, Gf.Vec3f(0.0)),
        ("roughness", _NUMBER, 1.0),
    ):
        surface.CreateInput(dark, kind).Set(value)
    picture = _picture(stage, "Picture", name, "sRGB")
    light = surface.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f)
    light.ConnectToSource(picture.CreateOutput("rgb", _COLOUR))
    if texture.transparent:
        surface.CreateInput("opacity", _NUMBER).ConnectToSource(picture.CreateOutput("a", _NUMBER))
    return material


def _picture(stage: Usd.Stage, prim: str, name: str, space: str) -> UsdShade.Shader:
    """What reads the picture of that name beside the file at the surface's UVs."""
    reader = UsdShade.Shader.Define(stage, "/Anthesis/Material/st")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    picture = UsdShade.Shader.Define(stage, f"/Anthesis/Material/{prim}")
    picture.CreateIdAttr("UsdUVTexture")
    picture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(f"./{name}")
    picture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
    for side in ("wrapS", "wrapT"):
        picture.CreateInput(side, Sdf.ValueTypeNames.Token).Set("clamp")
    places = picture.CreateInput("st", Sdf.ValueTypeNames.Float2)
    places.ConnectToSource(reader.CreateOutput("result", Sdf.ValueTypeNames.Float2))
    return picture


def _surface(stage: Usd.Stage) -> tuple[UsdShade.Material, UsdShade.Shader]:
    """A material that is one UsdPreviewSurface."""
    material = UsdShade.Material.Define(stage, "/Anthesis/Material")
    surface = UsdShade.Shader.Define(stage, "/Anthesis/Material/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    return material, surface


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name)
