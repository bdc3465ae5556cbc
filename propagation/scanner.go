package propagation

import "encoding/binary"

// A scanner reads a header value from the left. Its first mismatch makes it failed, and a
// failed scanner does nothing, so its caller reads like the grammar and checks once.
type scanner struct {
	rest   string
	failed bool
}

// skip reads the byte c.
func (in *scanner) skip(c byte) {
	if in.failed || in.rest == "" || in.rest[0] != c {
		in.failed = true
		return
	}
	in.rest = in.rest[1:]
}

// end checks that nothing is left.
func (in *scanner) end() {
	in.failed = in.failed || in.rest != ""
}

// take returns the next n bytes.
func (in *scanner) take(n int) string {
	if in.failed || len(in.rest) < n {
		in.failed = true
		return ""
	}
	taken := in.rest[:n]
	in.rest = in.rest[n:]
	return taken
}

// hex reads 2*len(dst) lower-case hex digits into dst. It takes sixteen at a time where it can:
// digits are most of what is read of a traceparent (BenchmarkParse).
func (in *scanner) hex(dst []byte) {
	digits := in.take(2 * len(dst))
	for ; len(dst) >= 8 && len(digits) >= 16; dst, digits = dst[8:], digits[16:] {
		bytes, valid := decode16(digits)
		binary.LittleEndian.PutUint64(dst, bytes)
		in.failed = in.failed || valid != allDigits
	}
	for ; len(dst) > 0 && len(digits) >= 2; dst, digits = dst[1:], digits[2:] {
		hi, lo := lowerNibble[digits[0]], lowerNibble[digits[1]]
		in.failed = in.failed || hi|lo > 0xf
		dst[0] = hi<<4 | lo
	}
}

// hexByte reads two lower-case hex digits.
func (in *scanner) hexByte() byte {
	if in.failed || len(in.rest) < 2 {
		in.failed = true
		return 0
	}
	hi, lo := lowerNibble[in.rest[0]], lowerNibble[in.rest[1]]
	in.failed = hi|lo > 0xf
	in.rest = in.rest[2:]
	return hi<<4 | lo
}

// hexAnyCase reads 2*len(dst) hex digits of either case into dst.
func (in *scanner) hexAnyCase(dst []byte) {
	before := *in
	if in.hex(dst); !in.failed {
		return
	}
	*in = before
	digits := in.take(2 * len(dst))
	for ; len(dst) > 0 && len(digits) >= 2; dst, digits = dst[1:], digits[2:] {
		hi, lo := nibble[digits[0]], nibble[digits[1]]
		in.failed = in.failed || hi|lo > 0xf
		dst[0] = hi<<4 | lo
	}
}

// shortHex reads all digits of either case up to the next byte that is none: at least one, and at
// most 2*len(dst), as a number whose leading zeroes may have been left out.
func (in *scanner) shortHex(dst []byte) {
	n := 0
	for n < len(in.rest) && n <= 2*len(dst) && nibble[in.rest[n]] <= 0xf {
		n++
	}
	if n == 0 || n > 2*len(dst) {
		in.failed = true
	}
	digits := in.take(n)
	for at := len(dst) - 1; digits != "" && !in.failed; at-- {
		last := len(digits) - 1
		dst[at] = nibble[digits[last]]
		if last > 0 {
			last--
			dst[at] |= nibble[digits[last]] << 4
		}
		digits = digits[:last]
	}
}

// nibble holds the value of a hex digit, and 0xff for any other byte; lowerNibble takes only
// the digits that the W3C's grammar calls HEXDIGLC.
var nibble, lowerNibble = nibbles("0123456789abcdefABCDEF"), nibbles("0123456789abcdef")

func nibbles(digits string) (table [256]byte) {
	for c := range table {
		table[c] = 0xff
	}
	for i := range len(digits) {
		table[digits[i]] = byte(i)
		if i > 0xf {
			table[digits[i]] = byte(i - 6) // A-F stand behind a-f
		}
	}
	return table
}

// decode16 decodes the first sixteen bytes of digits, lower-case hex, to eight bytes, the first of
// them lowest. It does to eight digits in one word what lowerNibble does to one. Those that are
// digits have their bit set in valid: it is allDigits if all are.
func decode16(digits string) (bytes, valid uint64) {
	_ = digits[15]
	first, valid1 := decode8(word(digits))
	second, valid2 := decode8(word(digits[8:]))
	return first | second<<32, valid1 & valid2
}

const (
	eachByte  = 0x0101010101010101
	allDigits = 0x80 * eachByte
)

// word returns the first eight bytes of s, the first of them lowest: one load.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// decode8 decodes eight digits to four bytes.
func decode8(x uint64) (bytes, valid uint64) {
	// A byte's top bit says whether it is at least '0' and not above '9', and likewise for letters.
	// A byte with the top bit set spoils its neighbour by a carry, but is no digit itself either.
	number := (x + (0x80-'0')*eachByte) &^ (x + (0x80-'9'-1)*eachByte)
	letter := (x + (0x80-'a')*eachByte) &^ (x + (0x80-'f'-1)*eachByte)
	valid = (number | letter) &^ x & allDigits
	x = x&(0xf*eachByte) + letter&allDigits>>7*9 // the value of each digit
	x = (x<<4 | x>>8) & 0x00ff00ff00ff00ff       // and of each pair, in every other byte
	x = (x | x>>8) & 0x0000ffff0000ffff          // which are moved together
	return (x | x>>16) & 0x00000000ffffffff, valid
}

const hexDigits = "0123456789abcdef"

// appendHex appends src as lower-case hex digits.
func appendHex(dst, src []byte) []byte {
	n := len(dst)
	dst = append(dst, "00000000000000000000000000000000"[:2*len(src)]...) // no ID is longer
	putHex(dst[n:], src)
	return dst
}

// putHex writes src as lower-case hex digits to the start of dst.
func putHex(dst, src []byte) {
	dst = dst[:2*len(src)]
	for i, b := range src {
		digits := hexPairs[b]
		dst[2*i], dst[2*i+1] = byte(digits>>8), byte(digits)
	}
}

// hexPairs holds the two digits of every byte (BenchmarkInject).
var hexPairs = func() (pairs [256]uint16) {
	for b := range pairs {
		pairs[b] = uint16(hexDigits[b>>4])<<8 | uint16(hexDigits[b&0xf])
	}
	return pairs
}()
