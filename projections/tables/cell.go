package tables

// A cell is a value as COPY has it in its binary form: four bytes that say how long it is, and the value.

// AppendNull appends the cell of NULL.
func AppendNull(cells []byte) []byte { return append(cells, 0xff, 0xff, 0xff, 0xff) }

// IsNull tells whether the cell at the front is NULL.
func IsNull(cells []byte) bool { return cells[0] == 0xff }

// CellSize is the size of the cell at the front, its length included.
func CellSize[B []byte | string](cells B) int {
	size := int32(cells[0])<<24 | int32(cells[1])<<16 | int32(cells[2])<<8 | int32(cells[3])
	return 4 + max(int(size), 0)
}
