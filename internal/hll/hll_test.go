package hll

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// naive reads a sketch bit by bit, the way the format is told, and knows nothing of words or runs.
func naive(t *testing.T, b []byte) [registers]uint8 {
	t.Helper()
	var regs [registers]uint8
	body := b[16:]
	if b[4] == 0 {
		for i := range regs {
			for bit := range 6 {
				n := i*6 + bit
				regs[i] |= body[n/8] >> (n % 8) & 1 << bit
			}
		}
		return regs
	}
	at := 0
	for i := 0; i < len(body); i++ {
		op := body[i]
		switch {
		case op < 0x40:
			at += int(op) + 1
		case op < 0x80:
			i++
			at += int(op-0x40)*256 + int(body[i]) + 1
		default:
			for range op%4 + 1 {
				regs[at] = (op-0x80)/4 + 1
				at++
			}
		}
	}
	require.Equal(t, registers, at)
	return regs
}

// header returns the first bytes of a sketch with a stale cached count.
func header(encoding byte) []byte {
	return []byte{'H', 'Y', 'L', 'L', encoding, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, staleBit}
}

func sketchOf(elements ...string) *Sketch {
	var s Sketch
	for _, e := range elements {
		s.Add(e)
	}
	return &s
}

func numbered(n int) *Sketch {
	var s Sketch
	for i := range n {
		s.Add("visitor:" + strconv.Itoa(i))
	}
	return &s
}

// TestKnown holds the bytes that a Redis server 7.0.15 has for small sketches, so that there is something to hold on to
// where no server is installed.
func TestKnown(t *testing.T) {
	empty := new(Sketch)
	assert.Equal(t, "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff", string(empty.Encode()))
	assert.Zero(t, empty.Count())

	abc := sketchOf("a", "b", "c")
	assert.Equal(t, "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ", string(abc.Encode()))
	assert.EqualValues(t, 3, abc.Count())
	assert.False(t, abc.Add("b"), "it is counted already")
	assert.EqualValues(t, 3, abc.Refresh())
	assert.Equal(t, byte(3), abc.Encode()[8])
	assert.Zero(t, abc.Encode()[15]&staleBit)
}

// TestEncodings grows sketches element by element, and at each step compares what is encoded with a reader that goes
// bit by bit, and with registers that are kept by the definition.
func TestEncodings(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var s Sketch
		var want [registers]uint8
		promoted := 0
		for i := range 4000 {
			e := strconv.FormatUint(rng.Uint64(), 36)
			index, rank := position(e)
			require.Equal(t, rank > want[index], s.Add(e), "seed %d, element %d", seed, i)
			want[index] = max(want[index], rank)
			if promoted == 0 && !s.Sparse() {
				promoted = i
			}
			if i%97 == 0 || promoted == i {
				b := s.Encode()
				require.Equal(t, want, naive(t, b), "seed %d, element %d", seed, i)
				back, err := Decode(b)
				require.NoError(t, err)
				require.Equal(t, b, back.Encode())
				require.Equal(t, s.Count(), back.Count())
				require.Equal(t, s.Sparse(), len(b) <= SparseMaxBytes)
			}
		}
		require.Positive(t, promoted)
		require.Less(t, promoted, 3000)
	}
}

// TestRuns raises registers in orders that split, fill and join runs of values as well as of zeros.
func TestRuns(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 66))
		var s Sketch
		var want [registers]uint8
		from := rng.IntN(registers - 200)
		for range 250 {
			index, rank := from+rng.IntN(40+int(seed)*4), uint8(1+rng.IntN(3))
			require.Equal(t, rank > want[index], s.set(index, rank))
			want[index] = max(want[index], rank)
			require.True(t, want == naive(t, s.Encode()), "seed %d", seed)
		}
		for _, edge := range []int{0, 1, registers - 1, registers - 2} {
			s.set(edge, 2)
			want[edge] = max(want[edge], 2)
		}
		require.True(t, s.Sparse())
		require.Equal(t, want, naive(t, s.Encode()))
		s.set(77, valMax+1)
		want[77] = valMax + 1
		require.False(t, s.Sparse(), "a value that sparse opcodes cannot hold")
		require.Equal(t, want, naive(t, s.Encode()))
	}
}

// TestMerge compares Merge and Union with a loop over registers, sparse and dense in all combinations.
func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	for round := range 60 {
		var all []*Sketch
		var union, halves Union
		var want [registers]uint8
		for range 1 + rng.IntN(4) {
			var s Sketch
			for range rng.IntN([]int{3, 300, 3000, 30000}[rng.IntN(4)]) {
				s.Add(strconv.Itoa(rng.IntN(50000)))
			}
			all = append(all, &s)
			b := s.Encode()
			for i, v := range naive(t, b) {
				want[i] = max(want[i], v)
			}
			require.NoError(t, union.Add(b))
			var one Union
			require.NoError(t, one.Add(b))
			halves.Merge(&one)
		}
		anyDense := slices.ContainsFunc(all, func(s *Sketch) bool { return !s.Sparse() })
		before := all[len(all)-1].Encode()
		merged := all[0].Clone()
		merged.Merge(all[1:]...)
		if len(all) > 1 {
			require.Equal(t, before, all[len(all)-1].Encode(), "the others are not changed")
		}
		require.Equal(t, want, naive(t, merged.Encode()), "round %d", round)
		if anyDense {
			require.False(t, merged.Sparse())
		}
		require.Equal(t, want, union.max)
		require.Equal(t, want, halves.max)
		require.Equal(t, union.Count(), merged.Count())
		require.False(t, merged.fresh)
	}
}

// TestRefuses holds what is not a sketch, and what is a damaged one.
func TestRefuses(t *testing.T) {
	dense := numbered(20000).Encode()
	beyond := slices.Clone(dense)
	beyond[16] |= 63
	lastBeyond := slices.Clone(dense)
	lastBeyond[Size-1] |= 0xfc
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":              {nil, ErrNotSketch},
		"text":                 {[]byte("a value of another kind"), ErrNotSketch},
		"short":                {[]byte("HYLL\x01"), ErrNotSketch},
		"other encoding":       {append(header(2), 0x7f, 0xff), ErrNotSketch},
		"dense, cut":           {dense[:Size-1], ErrNotSketch},
		"dense, too long":      {append(slices.Clone(dense), 0), ErrNotSketch},
		"dense, register 63":   {beyond, ErrCorrupt},
		"dense, last register": {lastBeyond, ErrCorrupt},
		"sparse, empty":        {header(1), ErrCorrupt},
		"sparse, too few":      {append(header(1), 0x7f, 0xfe), ErrCorrupt},
		"sparse, too many":     {append(header(1), 0x7f, 0xff, 0x00), ErrCorrupt},
		"sparse, values over":  {append(header(1), 0x7f, 0xfe, 0x81), ErrCorrupt},
		"sparse, half opcode":  {append(header(1), 0x7f, 0xfe, 0x40), ErrCorrupt},
	} {
		_, err := Decode(c.b)
		require.ErrorIs(t, err, c.want, name)
		var u Union
		require.ErrorIs(t, u.Add(c.b), c.want, name)
	}
	_, err := Decode(dense)
	require.NoError(t, err)
}

// TestEstimate holds the ends of the estimator: no element, one, and registers that are all at their largest.
func TestEstimate(t *testing.T) {
	var u Union
	assert.Zero(t, u.Count())
	u.max[5] = 1
	assert.EqualValues(t, 1, u.Count())
	for i := range u.max {
		u.max[i] = maxRank
	}
	assert.Equal(t, int64(math.MaxInt64), u.Count())

	// A cached count is believed, as PFCOUNT does, until it is stale.
	b := numbered(100).Encode()
	binary.LittleEndian.PutUint64(b[8:], 4242)
	s, err := Decode(b)
	require.NoError(t, err)
	assert.EqualValues(t, 4242, s.Count())
	s.Add("one more")
	assert.InDelta(t, 101, s.Count(), 2)
}

// TestStandardError holds the error that the documentation states: 0.81 % is the standard deviation, here over sketches
// of fixed contents.
func TestStandardError(t *testing.T) {
	const sketches = 40
	for _, n := range []int{1000, 20000} {
		var squares float64
		for k := range sketches {
			var s Sketch
			for i := range n {
				s.Add(fmt.Sprintf("%d/%d", k, i))
			}
			off := float64(s.Count())/float64(n) - 1
			squares += off * off
		}
		assert.Less(t, math.Sqrt(squares/sketches), 0.0095, "%d elements", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(new(Sketch).Encode())
	f.Add(numbered(3).Encode())
	f.Add(numbered(900).Encode())
	f.Add(numbered(5000).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		var u Union
		failed := u.Add(b)
		s, err := Decode(b)
		require.Equal(t, failed == nil, err == nil)
		if err != nil {
			return
		}
		require.Equal(t, naive(t, b), u.max)
		again, err := Decode(s.Encode())
		require.NoError(t, err)
		require.Equal(t, s, again)
		s.fresh = false
		require.Equal(t, u.Count(), s.Count())
		s.Add("x")
		_, err = Decode(s.Encode())
		require.NoError(t, err)
	})
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte{1, 2, 3, 1, 2, 4})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var s Sketch
		var want [registers]uint8
		for len(steps) >= 3 {
			index := (int(steps[0])<<8 | int(steps[1])) % registers
			rank := steps[2]%maxRank + 1
			require.Equal(t, rank > want[index], s.set(index, rank))
			want[index] = max(want[index], rank)
			steps = steps[3:]
		}
		require.Equal(t, want, naive(t, s.Encode()))
	})
}

func FuzzMerge(f *testing.F) {
	f.Add(numbered(3).Encode(), numbered(5000).Encode())
	f.Add(numbered(30).Encode(), numbered(900).Encode())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, err := Decode(a)
		if err != nil {
			return
		}
		y, err := Decode(b)
		if err != nil {
			return
		}
		var u Union
		require.NoError(t, u.Add(a))
		require.NoError(t, u.Add(b))
		x.Merge(y)
		require.Equal(t, u.Count(), x.Count())
		require.Equal(t, u.max, naive(t, x.Encode()))
	})
}
