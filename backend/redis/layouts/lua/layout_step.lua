-- Some commands in one step, if some replies are as expected; else ESTALE, and nothing is done.
-- ARGV from 3 on: the number of checks, each {expected, words, word…}; the number of commands, each
-- {which word becomes a turn's name, or 0; words, word…}: that word is a number less than the first
-- command's reply, so that a list's append can name its turns. An absent reply is ''.
local at = 3
local function take()
	at = at + 1
	return ARGV[at - 1]
end
local function call()
	local words, count = {}, tonumber(take())
	for i = 1, count do
		words[i] = take()
	end
	return words
end
local function plain(reply)
	if type(reply) == 'table' then
		return reply.ok or ''
	end
	return reply or ''
end

for _ = 1, tonumber(take()) do
	local expected = take()
	if tostring(plain(redis.call(unpack(call())))) ~= expected then
		return refuse('ESTALE')
	end
end
local replies = {}
for i = 1, tonumber(take()) do
	local named = tonumber(take())
	local words = call()
	if named > 0 then
		words[named] = 'turn:' .. string.format('%d', replies[1] - tonumber(words[named]))
	end
	replies[i] = plain(redis.call(unpack(words)))
end
return finish(replies)
