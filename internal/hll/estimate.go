package hll

import "math"

// This file imports math alone, so that a test can compile it for other processors in a moment.

const (
	precision = 14
	registers = 1 << precision
	maxRank   = 64 - precision + 1 // the largest value of a register: 50 zeros, plus one
)

// estimate is Ertl's estimator over how many registers have each value. The conversions to float64 around the products
// and quotients (by a power of two, which become products) keep Go from fusing them with the sums that follow; they are
// not superfluous.
func estimate(histogram *[64]int) int64 {
	const m = float64(registers)
	z := float64(m * tau(float64((m-float64(histogram[maxRank]))/m)))
	for rank := maxRank - 1; rank >= 1; rank-- {
		z += float64(histogram[rank])
		z = float64(z * 0.5)
	}
	z += float64(m * sigma(float64(float64(histogram[0])/m)))
	e := math.Round(float64(0.721347520444481703680*m*m) / z) // 0.5 / ln 2
	if e >= math.MaxInt64 {
		return math.MaxInt64 // every register is at its largest: no number of elements can be told
	}
	return int64(e)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x = float64(x * x)
		before := z
		z += float64(x * y)
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y = float64(y * 0.5)
		square := float64((1 - x) * (1 - x))
		z -= float64(square * y)
		if z == before {
			return z / 3
		}
	}
}
