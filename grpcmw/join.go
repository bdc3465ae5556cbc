package grpcmw

// Several options of gRPC as one.

import "reflect"

// join returns an option that does what several options do, one after the other. It returns
// otherwise if there cannot be one.
//
// gRPC has such an option and makes it for its own instrumentation, but not for others. So this
// looks at what options are made of, and makes another one of their kind: a pointer to a struct
// that holds one function, which changes settings. If a later gRPC has it otherwise, it is seen
// before anything is done.
func join[Option any](options []Option, otherwise Option) Option {
	var changes []reflect.Value
	for _, o := range options {
		change := changeOf(reflect.ValueOf(o))
		if !change.IsValid() || change.Type() != changeOf(reflect.ValueOf(options[0])).Type() {
			return otherwise
		}
		changes = append(changes, change)
	}
	return like(options[0], func(settings []reflect.Value) {
		for _, change := range changes {
			change.Call(settings)
		}
	})
}

// like returns an option that is made as another one is, and does what change does.
func like[Option any](option Option, change func(settings []reflect.Value)) Option {
	made := reflect.New(reflect.TypeOf(option).Elem())
	f := changeOf(made)
	f.Set(reflect.MakeFunc(f.Type(), func(settings []reflect.Value) []reflect.Value {
		change(settings)
		return nil
	}))
	return made.Interface().(Option)
}

// changeOf returns the function that an option is, or the zero Value if it is made otherwise.
func changeOf(option reflect.Value) reflect.Value {
	if option.Kind() != reflect.Pointer || option.IsNil() {
		return reflect.Value{}
	}
	made := option.Elem()
	if made.Kind() != reflect.Struct || made.NumField() != 1 {
		return reflect.Value{}
	}
	f := made.Field(0)
	if t := f.Type(); t.Kind() != reflect.Func || t.NumIn() != 1 || t.NumOut() != 0 || t.IsVariadic() {
		return reflect.Value{}
	}
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem() // the field is not exported
}
