package propagation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/propagation"
)

var tracestateTests = []struct {
	rule string // in the words of the specification
	in   []string
	want string
	err  error
}{
	{"one member", []string{"rojo=00f067aa0ba902b7"}, "rojo=00f067aa0ba902b7", nil},
	{"the order is preserved", []string{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", nil},
	{"multiple header fields must be combined in their order", []string{"foo=1,bar=2", "rojo=1,congo=2", "baz=3"}, "foo=1,bar=2,rojo=1,congo=2,baz=3", nil},

	{"an empty header must be accepted", []string{""}, "", nil},
	{"no header", nil, "", nil},
	{"empty beside another", []string{"foo=1", ""}, "foo=1", nil},
	{"another beside empty", []string{"", "foo=1"}, "foo=1", nil},
	{"empty list members are allowed", []string{"foo=1,,bar=2,"}, "foo=1,,bar=2,", nil},
	{"white space only is an empty member", []string{" \t , "}, "", nil},
	{"white space around members is allowed, and goes out as it came", []string{"foo=1 \t , \t bar=2, \t baz=3"}, "foo=1 \t , \t bar=2, \t baz=3", nil},
	{"white space before the first member", []string{" \t foo=1 \t "}, " \t foo=1 \t ", nil},
	{"white space may be excluded when headers are combined", []string{" foo=1 ", "\tbar=2\t"}, "foo=1,bar=2", nil},

	{"key: lower case letters, digits, _-*/ and @", []string{"abcdefghijklmnopqrstuvwxyz0123456789_-*/@=1"}, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@=1", nil},
	{"key may begin with a digit", []string{"1a-2b@foo=bar"}, "1a-2b@foo=bar", nil},
	{"key may be a digit", []string{"0=1"}, "0=1", nil},
	{"key may end in @", []string{"foo@=1,bar=2"}, "foo@=1,bar=2", nil},
	{"key may have several @ in a row", []string{"foo@@bar=1,bar=2"}, "foo@@bar=1,bar=2", nil},
	{"key may have several @", []string{"foo@bar@baz=1,bar=2"}, "foo@bar@baz=1,bar=2", nil},
	{"key must not begin with @", []string{"@foo=1,bar=2"}, "", propagation.ErrSyntax},
	{"key must not begin with _", []string{"_foo=1"}, "", propagation.ErrSyntax},
	{"key must be lower case", []string{"FOO=1"}, "", propagation.ErrSyntax},
	{"key must not have a dot", []string{"foo.bar=1"}, "", propagation.ErrSyntax},
	{"key must not have white space", []string{"foo =1"}, "", propagation.ErrSyntax},
	{"key must not be empty", []string{"=1"}, "", propagation.ErrSyntax},
	{"key of 256 characters", []string{strings.Repeat("z", 256) + "=1"}, strings.Repeat("z", 256) + "=1", nil},
	{"key of 257 characters", []string{"foo=1", strings.Repeat("z", 257) + "=1"}, "", propagation.ErrSyntax},
	{"tenant of 241 and system of 14 characters", []string{strings.Repeat("t", 241) + "@" + strings.Repeat("v", 14) + "=1"}, strings.Repeat("t", 241) + "@" + strings.Repeat("v", 14) + "=1", nil},
	{"tenant of 242 characters, in level 2", []string{strings.Repeat("t", 242) + "@v=1"}, strings.Repeat("t", 242) + "@v=1", nil},
	{"system of 15 characters, in level 2", []string{"t@" + strings.Repeat("v", 15) + "=1"}, "t@" + strings.Repeat("v", 15) + "=1", nil},

	{"value: printable but comma and equals sign", []string{"a=" + printable}, "a=" + printable, nil},
	{"value: leading spaces are part of it", []string{"a=  1"}, "a=  1", nil},
	{"value must not have an equals sign", []string{"foo=bar=baz"}, "", propagation.ErrSyntax},
	{"value must not be empty", []string{"foo=,bar=3"}, "", propagation.ErrSyntax},
	{"value must not be missing", []string{"foo"}, "", propagation.ErrSyntax},
	{"key 1special", []string{"1special=abracadabra"}, "1special=abracadabra", nil},
	{"value must not have a tab", []string{"foo=a\tb"}, "", propagation.ErrSyntax},
	{"value must be ASCII", []string{"foo=\u00e9"}, "", propagation.ErrSyntax},
	{"value of 256 characters", []string{"a=" + strings.Repeat("v", 256)}, "a=" + strings.Repeat("v", 256), nil},
	{"value of 257 characters", []string{"a=" + strings.Repeat("v", 257)}, "", propagation.ErrSyntax},

	{"only one entry per key: the first is kept", []string{"foo=1,bar=2,foo=3"}, "foo=1,bar=2", nil},
	{"only one entry per key, over several headers", []string{"foo=1", "foo=2"}, "foo=1", nil},
	{"only one entry per key, that says the same twice", []string{"foo=1,foo=1"}, "foo=1", nil},
	{"a key that begins another is another", []string{"foo=1,fo=2"}, "foo=1,fo=2", nil},
	{"32 list members", []string{members(32, "")}, members(32, ""), nil},
	{"32 list members over several headers", []string{members(10, ""), memberRange(10, 20), memberRange(20, 30), memberRange(30, 32)}, members(32, ""), nil},
	{"33 list members", []string{members(33, "")}, "", propagation.ErrTooMany},
	{"33 list members over several headers", []string{members(32, ""), "foo=1"}, "", propagation.ErrTooMany},
	{"33 list members of which one is a duplicate", []string{members(32, "") + ",k0=1"}, members(32, ""), nil},

	{"512 characters are propagated", []string{member("a", 255) + "," + member("b", 256)}, member("a", 255) + "," + member("b", 256), nil},
	{"of more, entries larger than 128 characters are removed first", []string{list(member("a", 129), member("b", 128), member("c", 128), member("d", 128))}, list(member("b", 128), member("c", 128), member("d", 128)), nil},
	{"of more, the last of the large entries is removed first", []string{list(member("a", 200), member("b", 128), member("c", 200))}, list(member("a", 200), member("b", 128)), nil},
	{"of more, then entries are removed from the end", []string{list(member("a", 120), member("b", 120), member("c", 120), member("d", 120), member("e", 120))}, list(member("a", 120), member("b", 120), member("c", 120), member("d", 120)), nil},
	{"of more, no more than has to go", []string{list(member("a", 128), member("b", 128), member("c", 128), member("d", 125), member("e", 10))}, list(member("a", 128), member("b", 128), member("c", 128), member("d", 125)), nil},
	{"of more, large entries first and then from the end", []string{list(member("a", 128), member("b", 250), member("c", 128), member("d", 128), member("e", 127))}, list(member("a", 128), member("c", 128), member("d", 128)), nil},
	{"white space counts, and is excluded first", []string{member("a", 250) + strings.Repeat(" ", 20) + "," + member("b", 250)}, list(member("a", 250), member("b", 250)), nil},
	{"128 members of which 126 are empty", []string{"a=1" + strings.Repeat(",", 126) + "b=1"}, "a=1" + strings.Repeat(",", 126) + "b=1", nil},
	{"129 members of which 127 are empty", []string{"a=1" + strings.Repeat(",", 127) + "b=1", ""}, "", propagation.ErrTooMany},
	{"32 list members as long as they can be, none of which is propagated", []string{longestMembers()}, "", nil},
	{"longer than 32 list members can be", []string{strings.Repeat(",", 32*514)}, "", propagation.ErrTooLong},
	{"longer than 32 list members can be, over many headers", make([]string, 32*514+1), "", propagation.ErrTooLong},
}

// member returns a member with the given key that is n characters long.
func member(key string, n int) string {
	return key + "=" + strings.Repeat("v", n-len(key)-1)
}

func list(members ...string) string { return strings.Join(members, ",") }

func TestParseTracestate(t *testing.T) {
	for _, tt := range tracestateTests {
		t.Run(tt.rule, func(t *testing.T) {
			got, err := propagation.ParseTracestate(tt.in...)
			if got != tt.want || err != tt.err {
				t.Errorf("ParseTracestate(%.200q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

var printable = func() string {
	var s strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		if c != ',' && c != '=' {
			s.WriteByte(c)
		}
	}
	return " " + s.String()
}()

// memberRange returns those of the members that members returns.
func memberRange(from, to int) string {
	return strings.Join(strings.Split(members(to, ""), ",")[from:], ",")
}

// members returns a list of n members.
func members(n int, value string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("k%d=%d%s", i, i, value)
	}
	return strings.Join(list, ",")
}
