"""All rules of the audit, by number. A rule is one function and one entry here, with what is said
of it to a reader."""

from manifests.audit.contradictions import stated_subjects
from manifests.audit.fitting import fitted_state, selection
from manifests.audit.labelling import class_and_sex, impossible_counts, label_conflicts
from manifests.audit.nearness import near_duplicates
from manifests.audit.observations import Rule
from manifests.audit.proxies import identifier_proxies
from manifests.audit.sharing import (
    copies_across,
    episodes_and_sessions,
    exact_duplicates,
    same_text,
    shared_clips,
    shared_subjects,
    take_twins,
    windows_across,
)
from manifests.audit.spans import span_overlaps
from manifests.audits import Severity

ERROR, WARN = Severity.ERROR, Severity.WARN

RULES: dict[str, Rule] = {
    "L1": Rule(
        "a subject on two sides",
        shared_subjects,
        ERROR,
        about="A person who speaks or is shown in training is also tested. A model then knows the "
        "voice and the face, and is measured on how well it remembers them.",
        example="The clips of RAVDESS are drawn at random, 80 to 20: all 24 actors are on both "
        "sides, each with other clips.",
        advice="Deal people, not clips: affectstore split STORE subject_kfold, or a published "
        "split by subjects. Results on the old split are not comparable.",
    ),
    "L2": Rule(
        "what was recorded together on two sides",
        episodes_and_sessions,
        ERROR,
        about="Clips of one session, dialogue, episode, series or source video share the room, the "
        "microphone, the light and the topic, and often the people. A shared dialogue is an error, "
        "the others are warnings; where nobody knows the people, each of them is an error.",
        example="Turn 3 of a dialogue of MELD is trained on, and turn 4, the answer to it, tested.",
        advice="Keep together what was recorded together: affectstore split STORE "
        "leave_one_session_out, or the dialogue or episode as the unit that is dealt.",
    ),
    "L3": Rule(
        "renderings of one take on two sides",
        take_twins,
        ERROR,
        about="A corpus may hold one performance several times: with sound, silent, the sound "
        "alone. Each has an id of its own, and what is seen or heard is the same.",
        example="RAVDESS 01-01-03-02-01-01-12 (with sound) is trained on, and "
        "02-01-03-02-01-01-12, the same performance without sound, is tested.",
        advice="Use one rendering, or deal takes as a whole; affectstore split STORE "
        "subject_kfold does.",
    ),
    "L4": Rule(
        "copies of a clip, by bytes, sound or pictures, on two sides",
        exact_duplicates,
        ERROR,
        about="Two clips with different ids are one and the same: their files, their decoded sound "
        "or their decoded pictures have the same hash.",
        example="A download holds a/happy_01.wav, and the same bytes again as b/joy_17.wav; one is "
        "trained on, the other tested.",
        advice="Keep one copy of each. A store finds copies by itself; a table needs a column "
        "sha256, pcm_sha256 or frames_sha256.",
    ),
    "L5": Rule(
        "nearly the same sound or face on two sides",
        near_duplicates,
        ERROR,
        about="Two clips are one recording, though no hash says so: coded again, made louder, "
        "resized, or cut a little differently. A store finds them by fingerprints of the sound and "
        "of the moving face.",
        example="clip_007.wav is trained on, and tested is clip_207.mp3: the same sentence, louder "
        "and as MP3.",
        advice="Listen to the pairs that are named, and keep one of each. Only a store has the "
        "fingerprints, soundprint and faceprint: build one and audit that.",
    ),
    "L6": Rule(
        "overlapping time spans on two sides",
        span_overlaps,
        ERROR,
        about="Two clips were cut from the same stretch of one recording: they share more than "
        "half of the shorter one.",
        example="In MELD, dia12_utt7 of train and dia85_utt0 of test show the same seconds of one "
        "episode, under two names.",
        advice="Leave one of the two out, or deal whole recordings. A table needs the columns "
        "start, end and episode or dialogue.",
    ),
    "L7": Rule(
        "the same text on two sides",
        same_text,
        WARN,
        about="A sentence that is tested was also said in training. A model of words, or of the "
        "melody of a sentence, may know the sentence and not the emotion. Where a corpus has only "
        "a few sentences it cannot be avoided, and is a note.",
        example="In MELD, 331 of the 2,610 sentences of test are also in train, word for word. In "
        "RAVDESS all actors say the same two sentences.",
        advice="With models of text, leave such sentences out of the test and report both "
        "numbers. With sound or pictures alone, say in the paper that texts are shared.",
    ),
    "L8": Rule(
        "windows or frames of one clip on two sides",
        windows_across,
        ERROR,
        about="A clip was cut into windows or frames, and these were dealt, not the clip. "
        "Neighbouring windows are all but copies of each other.",
        example="Frames 1, 2 and 4 of a clip are trained on, and frame 3 is tested.",
        advice="Split first, by clip and by subject; cut into windows afterwards.",
    ),
    "L9": Rule(
        "copies of one clip on two sides",
        copies_across,
        ERROR,
        about="Clips were changed a little (pitch, noise, mirror) or repeated to fill small "
        "classes before the split, so that a clip is trained on and its copy tested.",
        example="clip_12.wav is tested, and clip_12_noise.wav, made of it, is trained on.",
        advice="Split first; then augment or repeat training clips alone. In a recipe "
        "[variants.N] does so.",
    ),
    "L10": Rule(
        "fitted state that saw test clips",
        fitted_state,
        ERROR,
        about="Something was learned from clips that are tested: the mean and deviation of a "
        "scaling, a PCA, a choice of columns, a padding length, an encoder, a tuned network.",
        example="A StandardScaler was fitted on all clips, and the clips were split afterwards.",
        advice="Fit in each fold, on its training clips alone: tables [fitted.NAME] of a recipe "
        "and affectstore fit STORE SCHEME do so.",
    ),
    "L11": Rule(
        "the model chosen by test clips",
        selection,
        WARN,
        about="Epoch or settings were chosen by the clips that results are reported on, or there "
        "is no other side to choose them by. The best of many tries on the test is partly luck.",
        example="Of 100 epochs, the one with the highest test accuracy is printed.",
        advice="Give each fold a validation side with people of its own, choose by that, and look "
        "at the test once. The k-fold schemes of affectstore split have one.",
    ),
    "L12": Rule(
        "an evaluation set that holds training clips",
        shared_clips,
        ERROR,
        about="The very clips that were trained on are also tested.",
        example='"Evaluated on the whole corpus": all 1,440 clips are tested, and 1,152 of them '
        "were trained on.",
        advice="Take the training clips out of the list that is evaluated.",
    ),
    "L13": Rule(
        "other labels for the same bytes",
        label_conflicts,
        WARN,
        about="Files that are the same, byte for byte or sample for sample, have different "
        "labels: all but one are wrong.",
        example="sad/clip_3.wav and neutral/clip_8.wav have the same bytes, and the folders are "
        "the labels.",
        advice="Find out which label is right, and leave the others out.",
    ),
    "L14": Rule(
        "an identifier that tells the label",
        identifier_proxies,
        WARN,
        about="Something that has nothing to do with emotion gives the label away: the length of "
        "the clip, its rate, its channels, a folder. A model may learn that instead.",
        example="All happy clips were recorded at 44.1 kHz, and all sad ones at 16 kHz.",
        advice="Make the clips alike (same rate, channels, loudness, length), or show that a "
        "model without this fact does as well.",
    ),
    "L15": Rule(
        "counts that the corpus cannot supply",
        impossible_counts,
        ERROR,
        about="There are more clips, or more of a class, than the corpus has files. Of a paper: "
        "its printed numbers cannot arise from the split that it describes.",
        example="A paper tests on 4 of 24 actors of RAVDESS and prints 958 test clips; 4 actors "
        "have at most 832.",
        advice="Look for rows that are repeated, or counted in another class. Of a paper, ask the "
        "authors what was left unsaid.",
    ),
    "L16": Rule(
        "an empty class or a side of one sex",
        class_and_sex,
        WARN,
        about="A side lacks a class or a sex that the corpus has. A class without training clips "
        "cannot be learned, one without test clips is not tested; results on women alone are of "
        "women alone.",
        example="A fold tests subjects 1 and 2: nobody of them was recorded as disgusted, and both "
        "are men.",
        advice="Take fewer folds or another seed; affectstore split STORE subject_kfold "
        "balances classes and sexes. With one subject a fold, judge all folds together.",
    ),
    "L17": Rule(
        "a stated speaker who is not the one by the name",
        stated_subjects,
        WARN,
        about="A table has a column of speakers, and the names of the clips tell other people. The "
        "audit then goes by the names.",
        example="Ses01F_impro01_M003 is a turn of the man of session 1 in IEMOCAP; the table says "
        "Ses01F, the woman, after the first part of the name.",
        advice="Take the speaker from the name by the corpus's rule (docs/names.md), and split "
        "again.",
    ),
}
"""Rule -> what it is called, the function that judges one fold, and how grave a finding is;
of some corpora, as `Corpus.severities` says, it is more or less grave. `affectstore explain`
prints what stands here."""
