-- Changes of a thread and of its files, all or none. From ARGV[10]: step_begin's, then 13 of each
-- change, as file_change() has them.
--@ files
local step, at = step_begin(gen, 10)
if not step then return refuse(at) end
step.files = {}
local changes = (#ARGV - at + 1) / 13
local removes = changes > 0
for i = 1, changes do
	local wrong = file_change(step, at + (i - 1) * 13, i)
	if wrong then return refuse(wrong) end
	removes = removes and ARGV[at + (i - 1) * 13] == 'D'
end
for i = 1, changes do
	local a = at + (i - 1) * 13
	if number_taken(step, ARGV[a] == 'R' and ARGV[a + 3] or ARGV[a + 1]) then return refuse('EEXIST') end
end
if not files_read(step) then return refuse('EIO') end
if removes then needs_no_memory() end
step_revisions(step, changes)
files_write(step)
step_end(step)
local reply = {row_format(step.row)}
for i = 1, changes do reply[1 + i] = text(step.revision + i) end
return finish(reply)
