"""The look, by gradio's own tokens: quiet surfaces, system fonts, one accent. What they cannot say is in theme.css."""

from gradio.themes import Base
from gradio.themes.utils import colors, sizes

from playground import palette

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_TONES = (50, *range(100, 1000, 100), 950)


def _hue(name: str) -> colors.Color:
    """A scale of the palette's, from its lightest tone to its darkest."""
    return colors.Color(name=name, **{f"c{tone}": palette.colour(f"{name}-{tone}") for tone in _TONES})


_LIGHT_AND_DARK = {
    "body_background_fill": ("*neutral_50", "*neutral_950"),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("*neutral_500", "*neutral_400"),
    "background_fill_primary": ("white", "*neutral_900"),
    "background_fill_secondary": ("*neutral_100", "*neutral_800"),
    "border_color_primary": ("*neutral_200", "*neutral_800"),
    "block_title_text_color": ("*neutral_600", "*neutral_400"),
    "input_background_fill": ("white", "*neutral_900"),
    "input_border_color": ("*neutral_300", "*neutral_700"),
    "input_border_color_focus": ("*primary_500", "*primary_400"),
    "button_primary_background_fill": ("*primary_600", "*primary_500"),
    "button_primary_background_fill_hover": ("*primary_700", "*primary_400"),
    "button_primary_text_color": ("white", "*neutral_950"),
    "button_secondary_background_fill_hover": ("*neutral_100", "*neutral_800"),
    "button_secondary_border_color": ("*neutral_300", "*neutral_700"),
    "button_secondary_text_color": ("*neutral_800", "*neutral_200"),
}
"""Token: its value in light and in dark."""

_ALIKE = {
    "block_background_fill": "transparent",
    "block_background_fill_dark": "transparent",
    "block_border_width": "0px",
    "block_border_width_dark": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_title_text_weight": "500",
    "block_title_text_size": "*text_sm",
    "input_border_width": "1px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_padding": "8px 10px",
    "layout_gap": "14px",
    "form_gap_width": "0px",
    "button_secondary_background_fill": "transparent",
    "button_secondary_background_fill_dark": "transparent",
    "button_border_width": "1px",
    "button_border_width_dark": "1px",
    "button_transition": "background-color 120ms, border-color 120ms",
    "button_large_text_weight": "500",
    "button_medium_text_weight": "500",
    "button_small_text_weight": "500",
}
"""Tokens that are alike in light and dark; some have a dark default of their own."""


def theme() -> Base:
    """The playground's theme; nothing in it is fetched from anywhere."""
    base = Base(
        primary_hue=_hue("accent"),
        secondary_hue=_hue("accent"),
        neutral_hue=_hue("gray"),
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_md,
        font=_SANS,
        font_mono=_MONO,
    )
    light = {name: value for name, (value, _) in _LIGHT_AND_DARK.items()}
    dark = {f"{name}_dark": value for name, (_, value) in _LIGHT_AND_DARK.items()}
    return base.set(**light, **dark, **_ALIKE)
