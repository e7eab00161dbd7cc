"""Colours that stay apart for every kind of colour vision and in grey print (Okabe and Ito 2008)."""

BLUE, SKY, ORANGE, RED, GREY, INK = "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#8A8A8A", "#222222"
