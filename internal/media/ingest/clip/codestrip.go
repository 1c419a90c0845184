// SPDX-License-Identifier: GPL-3.0-or-later

package clip

// Geometry of the code strip in pixels of the original 640x360 picture.
const (
	stripWidth  = 640
	stripHeight = 16
	blockLeft   = 32
	blockWidth  = 24
	codeBits    = 16
	checkBits   = 8
)

// ReadFrameNumber reads the code strip from a picture of the clip, at any
// size: luma returns the brightness (0 to 255) of a pixel. It reports false
// if there is no valid code.
func ReadFrameNumber(width, height int, luma func(x, y int) uint8) (n int, ok bool) {
	at := func(x int) bool {
		px := (x*width + stripWidth/2) / stripWidth
		py := stripHeight / 2 * height / 360
		return luma(min(px, width-1), min(py, height-1)) >= 128
	}
	if width < stripWidth/blockWidth || height < 360/stripHeight || !at(blockLeft/2) || at(stripWidth-blockLeft/2) {
		return 0, false
	}
	var code uint32
	for i := range codeBits + checkBits {
		code <<= 1
		if at(blockLeft + i*blockWidth + blockWidth/2) {
			code |= 1
		}
	}
	number, sum := code>>checkBits, uint8(code)
	if uint8(number>>8)^uint8(number)^0xA5 != sum || int(number) >= Frames {
		return 0, false
	}
	return int(number), true
}
