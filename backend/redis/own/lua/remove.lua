-- Erases a live thread that has no files.
--@ write
local row = thread_get(prefix, gen)
if not row or not is_live(row, now) then return refuse('ENOENT') end
if tonumber(row[FILES]) > 0 then return refuse('ENOTEMPTY') end
thread_erase(prefix, gen, row)
tell(prefix, writer, 'G', gen, row)
return finish{'ok'}
