package tallystick

// FieldName is for the test of the surface.
var FieldName = fieldName
