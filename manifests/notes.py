"""Notes: what an index says of a track that is stored all the same."""

NOTES = {
    "may_be_cut": "Nothing in the file says where it ends, so that a cut one cannot be told from a "
    "whole one.",
    "head_left_out": "The recording begins inside a frame of sound; what is before the first whole "
    "one is not used.",
    "tail_left_out": "Bytes behind the last whole frame, or behind all that the container "
    "declares, are not used.",
    "wrong_size": "A wav with the size of its RIFF chunk for that of its samples; it is all there.",
    "checksum_differs": "Packets or frames are not what was written, by their checksum, and the "
    "stream decodes all the same. Compare the file with another copy of it.",
    "uneven_times": "Packets do not follow each other as evenly as the others of their stream do: "
    "some are missing, doubled or moved, or were never recorded.",
    "content_lost": "The clip is damaged, and the recipe keeps it (media.keep_damaged): sound or "
    "frames are missing or moved.",
    "concealed": "The clip is damaged, and the recipe keeps it (media.keep_damaged): the decoder "
    "has filled parts of pictures from their neighbours.",
    "audio_gaps": "The recording has holes, which are filled with zeros.",
    "audio_short": "The sound is shorter than the video beside it, by more than 0.5 s and a tenth.",
    "silent": "Digital silence, or a peak below -60 dB.",
    "several_video": "The file holds several video streams; the default one was taken, or the "
    "first.",
    "several_audio": "The file holds several audio streams; the default one was taken, or the "
    "first.",
    "undecodable_start": "A capture begins inside a group of pictures; what comes before the first "
    "key frame is left out.",
    "decoded_by_ffmpeg": "PyAV has no decoder for the coding, and the ffmpeg program was used.",
    "decoded_by_pyav": "The recipe asks for the ffmpeg program, which does not give the same bits "
    "for this kind of file and is not offered for it.",
}
"""Note -> what it says, and what to do about it where something can be done."""
