package grpcmw

// Join is join, for its tests.
func Join[Option any](options []Option, otherwise Option) Option { return join(options, otherwise) }
